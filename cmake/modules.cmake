# modules.cmake - kiln_module(): a folder is a static library; kiln_unit_tests(): a folder of tests is an executable whose cases ctest sees.

# kiln_module(core/conn DEPENDS core/env LINK lib TWICE)
# TWICE builds a second library <name>_bugs with -DKILN_KNOWN_BUGS, which only kiln-bugs and the tests of the checks link.
function(kiln_module path)
  cmake_parse_arguments(M "TWICE" "" "DEPENDS;LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${path}/*.c)
  if(NOT sources)
    return()
  endif()
  string(REPLACE "/" "_" name ${path})
  file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${path}/*.lua)
  foreach(script ${scripts})
    get_filename_component(stem ${script} NAME_WE)
    set(header ${CMAKE_BINARY_DIR}/generated/${path}/${stem}_lua.h)
    file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/generated/${path})
    add_custom_command(OUTPUT ${header} DEPENDS ${script} COMMAND lua_chunk ${script} ${header} ${stem}_lua)
    list(APPEND sources ${header})
  endforeach()
  kiln_library(${name} "" "${sources}" "${M_DEPENDS}" "${M_LINK}")
  if(M_TWICE)
    kiln_library(${name} _bugs "${sources}" "${M_DEPENDS}" "${M_LINK}")
    target_compile_definitions(${name}_bugs PRIVATE KILN_KNOWN_BUGS)
  endif()
endfunction()

# Makes a C array of a Lua file.
add_executable(lua_chunk ${CMAKE_SOURCE_DIR}/cmake/chunk.c)
target_include_directories(lua_chunk SYSTEM PRIVATE ${LUA_INCLUDE})
target_link_libraries(lua_chunk PRIVATE ${LUA_STATIC_LIBRARIES})

function(kiln_library name suffix sources depends link)
  add_library(${name}${suffix} STATIC ${sources})
  target_include_directories(${name}${suffix} PUBLIC ${CMAKE_SOURCE_DIR}/core ${CMAKE_SOURCE_DIR}/broker
    ${CMAKE_SOURCE_DIR}/sim ${CMAKE_SOURCE_DIR}/analysis ${CMAKE_SOURCE_DIR})
  target_include_directories(${name}${suffix} PRIVATE ${CMAKE_BINARY_DIR}/generated/sim)
  target_include_directories(${name}${suffix} SYSTEM PRIVATE ${LUA_INCLUDE})
  foreach(dependency ${depends})
    string(REPLACE "/" "_" target ${dependency})
    if(TARGET ${target}${suffix})
      target_link_libraries(${name}${suffix} PUBLIC ${target}${suffix})
    elseif(TARGET ${target})
      target_link_libraries(${name}${suffix} PUBLIC ${target})
    endif()
  endforeach()
  target_link_libraries(${name}${suffix} PUBLIC ${link})
endfunction()

# kiln_unit_tests(core/base [LINK targets]): tests/unit/core/base/*.c
function(kiln_unit_tests path)
  cmake_parse_arguments(T "" "" "LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/unit/${path}/*.c)
  string(REPLACE "/" "_" name ${path})
  if(NOT sources OR NOT TARGET ${name})
    return()
  endif()
  kiln_test_executable(unit_${name} "${sources}" ${name} ${T_LINK})
endfunction()

# An executable with tests/support/test_main.c whose cases become ctests of their own, found by running it with --list.
function(kiln_test_executable name sources)
  add_executable(${name} ${sources})
  target_include_directories(${name} SYSTEM PRIVATE ${CMOCKA_INCLUDE})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_compile_definitions(${name} PRIVATE KILN_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE ${ARGN} test_support ${CMOCKA_LIBRARY})
  set(cases ${CMAKE_CURRENT_BINARY_DIR}/${name}_cases.cmake)
  add_custom_command(TARGET ${name} POST_BUILD BYPRODUCTS ${cases}
    COMMAND ${CMAKE_COMMAND} -D EXE=$<TARGET_FILE:${name}> -D NAME=${name} -D OUT=${cases}
            -P ${CMAKE_SOURCE_DIR}/cmake/discover.cmake)
  file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/${name}_include.cmake
    "if(EXISTS \"${cases}\")\n  include(\"${cases}\")\nelse()\n  add_test(${name}_NOT_BUILT ${name}_NOT_BUILT)\nendif()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}_include.cmake)
endfunction()
