/* The public header by itself, as a strict compiler of its language takes it: link/CMakeLists.txt
 * compiles this as C99, C11 and C++17. */
#include <vkdelegate.h>

int main(void)
{
    vkd_options options = {sizeof options};
    return options.size == sizeof(vkd_options) && vkd_backend.abi_version == VKD_BACKEND_ABI ? 0
                                                                                             : 1;
}
