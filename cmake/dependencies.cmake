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
set(CODEC_LIBRARIES ${ZSTD_ARCHIVE} ${LZ4_ARCHIVE} ${SNAPPY_ARCHIVE} ${ZLIB_ARCHIVE} ${CXX_RUNTIME_ARCHIVE} -static-libgcc m)
set(JEMALLOC_LIBRARIES ${JEMALLOC_ARCHIVE} m dl)
set(LUA_STATIC_LIBRARIES ${LUA_ARCHIVE} m)
set(ZSTD_LIBRARIES ${ZSTD_ARCHIVE})
set(XXHASH_LIBRARIES "") # header only (XXH_INLINE_ALL)
find_path(LUA_INCLUDE lua.h PATH_SUFFIXES lua5.4 REQUIRED)
find_path(CMOCKA_INCLUDE cmocka.h)
find_library(CMOCKA_LIBRARY cmocka)
kiln_static_library(FIU_ARCHIVE fiu)
kiln_static_library(JANSSON_ARCHIVE jansson)
