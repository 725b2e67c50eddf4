# dependencies.cmake - Debian packages (./dev installs them), static where a version must be part of the build.
find_package(Threads REQUIRED)

# A library's archive where there is one, so that its version cannot change under a finished binary.
function(kiln_static_library variable name)
  find_library(${variable} NAMES lib${name}.a ${name})
  if(NOT ${variable})
    message(FATAL_ERROR "lib${name} is missing: run ./dev install")
  endif()
endfunction()

kiln_static_library(JEMALLOC_ARCHIVE jemalloc)
kiln_static_library(LUA_ARCHIVE lua5.4)
kiln_static_library(ZSTD_ARCHIVE zstd)
kiln_static_library(LZ4_ARCHIVE lz4)
kiln_static_library(SNAPPY_ARCHIVE snappy)
kiln_static_library(ZLIB_ARCHIVE z)
# snappy is C++: its runtime comes as an archive too, from gcc's own folder, where clang and find_library do not look first.
find_program(GCC_PROGRAM gcc REQUIRED)
execute_process(COMMAND ${GCC_PROGRAM} -print-file-name=libstdc++.a OUTPUT_VARIABLE CXX_RUNTIME_ARCHIVE
  OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT IS_ABSOLUTE "${CXX_RUNTIME_ARCHIVE}")
  message(FATAL_ERROR "libstdc++.a is missing: run ./dev install")
endif()
# What a script computes is the same on every machine: glibc's pow and exp choose their way by the CPU they find, musl's have one. Of
# its archive, which is all of a C library, those are taken; one that is missing here is missed by the linker.
string(REGEX REPLACE "gnu.*$" "musl" musl_triplet "${CMAKE_LIBRARY_ARCHITECTURE}")
find_library(MUSL_ARCHIVE NAMES libc.a PATHS /usr/lib/${musl_triplet} NO_DEFAULT_PATH)
if(NOT MUSL_ARCHIVE)
  message(FATAL_ERROR "musl's libc.a is missing: run ./dev install")
endif()
set(math_folder ${CMAKE_BINARY_DIR}/generated/math)
set(math_names acos asin atan atan2 cos cosh exp exp_data expm1 fmod log log10 log2 log2_data log_data pow pow_data round sin sinh
  sqrt tan tanh floor fabs scalbn __cos __expo2 __math_divzero __math_invalid __math_oflow __math_uflow __math_xflow __rem_pio2
  __rem_pio2_large __sin __tan)
list(TRANSFORM math_names APPEND .lo OUTPUT_VARIABLE math_members)
file(MAKE_DIRECTORY ${math_folder})
execute_process(COMMAND ${CMAKE_AR} x ${MUSL_ARCHIVE} ${math_members} WORKING_DIRECTORY ${math_folder} COMMAND_ERROR_IS_FATAL ANY)
execute_process(COMMAND ${CMAKE_AR} rcsD libmath.a ${math_members} WORKING_DIRECTORY ${math_folder} COMMAND_ERROR_IS_FATAL ANY)
set(MATH_LIBRARIES ${math_folder}/libmath.a)
set(CODEC_LIBRARIES ${ZSTD_ARCHIVE} ${LZ4_ARCHIVE} ${SNAPPY_ARCHIVE} ${ZLIB_ARCHIVE} ${CXX_RUNTIME_ARCHIVE} -static-libgcc ${MATH_LIBRARIES})
set(JEMALLOC_LIBRARIES ${JEMALLOC_ARCHIVE} ${MATH_LIBRARIES} dl)
set(LUA_STATIC_LIBRARIES ${LUA_ARCHIVE} ${MATH_LIBRARIES})
set(ZSTD_LIBRARIES ${ZSTD_ARCHIVE})
set(XXHASH_LIBRARIES "") # header only (XXH_INLINE_ALL)
find_path(LUA_INCLUDE lua.h PATH_SUFFIXES lua5.4 REQUIRED)
kiln_static_library(FIU_ARCHIVE fiu)

if(KILN_TESTS)
  find_path(CMOCKA_INCLUDE cmocka.h)
  find_library(CMOCKA_LIBRARY cmocka)
  if(NOT CMOCKA_INCLUDE OR NOT CMOCKA_LIBRARY)
    message(FATAL_ERROR "libcmocka is missing: run ./dev install, or leave the tests out with -DKILN_TESTS=OFF")
  endif()
  kiln_static_library(JANSSON_ARCHIVE jansson)
endif()
