/* Text that others wrote, file names and labels, may be in any encoding. */
#ifndef VKD_RUNNER_UTF8_H
#define VKD_RUNNER_UTF8_H

/* A copy that is valid UTF-8: U+FFFD stands for every byte that belongs to no character. Free it;
 * null without memory. */
char *run_utf8(const char *text);

#endif
