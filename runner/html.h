/* What the pages for a browser have in common, those of vkd-run and of vkd-bench: their style, text
 * that others wrote, and numbers. */
#ifndef VKD_RUNNER_HTML_H
#define VKD_RUNNER_HTML_H

#include <stdint.h>
#include <stdio.h>

void run_html_begin(FILE *out, const char *title); /* up to <body> */
void run_html_end(FILE *out);

void run_html_text(FILE *out, const char *text); /* in any encoding */
void run_html_part(FILE *out, const char *text, int length);
void run_html_bytes(FILE *out, uint64_t bytes);
void run_html_time(FILE *out, double us);

/* A number in large type, of the class "tiles", and what it is. */
void run_html_begin_tile(FILE *out);
void run_html_end_tile(FILE *out, const char *name);

#endif
