/* Takes dlclose's place in sanitizer builds (see test/CMakeLists.txt): the leak checker finds the
 * names of drivers and layers, by which their leaks are told from ours, only while these are
 * loaded. */
#include <dlfcn.h>

__attribute__((visibility("default"))) int dlclose(void *library)
{
    (void)library;
    return 0;
}
