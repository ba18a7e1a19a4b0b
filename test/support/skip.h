/* Tests that cannot run on this machine. They pass as far as cmocka knows; so that nobody takes
 * that for a check that was made, a program of which some were skipped and none failed exits with
 * TEST_SKIPPED, and ctest lists it as skipped. */
#ifndef VKD_TEST_SUPPORT_SKIP_H
#define VKD_TEST_SUPPORT_SKIP_H

enum { TEST_SKIPPED = 77 }; /* test/CMakeLists.txt knows it too */

/* Ends the current test with a word: "there is no Vulkan device". */
void test_skip(const char *why);

#endif
