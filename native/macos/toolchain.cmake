# Static libraries for macOS, compiled with zig: nothing of CMake's own knowledge of macOS, which asks for Apple's tools, is needed.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
set(CMAKE_AR "${CMAKE_CURRENT_LIST_DIR}/bin/apple-ar")
set(CMAKE_RANLIB "")
