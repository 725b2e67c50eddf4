# embed.cmake - a text file as a C array: unsigned char NAME[] and its size.
file(READ ${IN} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
file(WRITE ${OUT} "static const unsigned char ${NAME}[] = {${bytes}};\n")
