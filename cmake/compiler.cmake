# The release compiler was picked by measurement (docs/performance.md): clang 19 has both `musttail` and
# `preserve_none`, which the threaded interpreter gains most from. Whoever names a compiler gets that one.
if(NOT DEFINED CMAKE_CXX_COMPILER AND NOT DEFINED ENV{CXX})
  find_program(GLASSBOX_CLANGXX NAMES clang++-19 clang++-20 clang++-21)
  if(GLASSBOX_CLANGXX)
    string(REPLACE "clang++" "clang" GLASSBOX_CLANG "${GLASSBOX_CLANGXX}")
    set(CMAKE_CXX_COMPILER "${GLASSBOX_CLANGXX}" CACHE FILEPATH "C++ compiler")
    set(CMAKE_C_COMPILER "${GLASSBOX_CLANG}" CACHE FILEPATH "C compiler")
  endif()
endif()
