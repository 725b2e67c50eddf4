# discover.cmake - asks a test executable for its cases and writes a ctest for each.
execute_process(COMMAND ${EXE} --list OUTPUT_VARIABLE listing RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${EXE} --list failed: ${result}")
endif()
string(REPLACE "\n" ";" cases "${listing}")
set(text "")
foreach(case ${cases})
  string(APPEND text "add_test([==[${NAME}.${case}]==] \"${EXE}\" ${case})\n"
    "set_tests_properties([==[${NAME}.${case}]==] PROPERTIES TIMEOUT 300 FAIL_REGULAR_EXPRESSION \"Running 0 test\")\n")
endforeach()
file(WRITE ${OUT} "${text}")
