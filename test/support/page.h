/* Pages for a browser: their text, and how they look in one, where there is one. */
#ifndef VKD_TEST_SUPPORT_PAGE_H
#define VKD_TEST_SUPPORT_PAGE_H

#include <stddef.h>

size_t page_count(const char *in, const char *what);

/* Fails the test unless each part is there so many times. */
typedef struct page_part {
    const char *what;
    size_t times;
} page_part;
void page_check_parts(const char *page, const page_part *parts, size_t count);

/* Fails the test unless elements are closed in the order in which they were opened; attributes have
 * no blanks or have quotes. Not those that HTML closes by itself. */
void page_check_nesting(const char *page);

/* Opens a page of a folder in windows 1280 and 400 pixels wide: it must not be wider, and have so
 * many elements of a CSS selector, which can be seen. Skips the test where there is no browser. */
void page_fits(const char *folder, const char *name, const char *selector, size_t elements);

#endif
