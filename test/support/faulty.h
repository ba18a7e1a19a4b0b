/* What a test of the public interface hands in, and what can fail on demand: host memory, the log,
 * the Vulkan driver. */
#ifndef VKD_TEST_SUPPORT_FAULTY_H
#define VKD_TEST_SUPPORT_FAULTY_H

#include "include/vkdelegate.h"

/* An allocator that counts. Allocations are also the moments at which a test can let things happen
 * in the middle of a call. */
typedef struct faulty_memory {
    int64_t calls; /* allocations asked for */
    int64_t live;  /* not yet released */
    /* the allocation of this number, counted from 0, fails; -1: none */
    int64_t fail_at;
    bool failed; /* it has */
    /* not null: happens at each allocation, before it */
    void (*meanwhile)(void *user, int64_t call);
    void *user;
} faulty_memory;

/* The surroundings of one object under test. */
typedef struct watch {
    faulty_memory memory;
    vkd_allocator allocator;
    uint32_t counts[VKD_LOG_DEBUG + 1]; /* messages by level */
    uint32_t validation_messages;
    char error[512]; /* vkd_options.error */
    size_t length;
    char text[1 << 14]; /* the first messages, one a line */
} watch;

/* Options with everything of *w in them, without a cache and without a self-check of the kernels;
 * with validation if the environment says VKD_TEST_VALIDATE=1. *w must stay where it is while the
 * options or their objects live. */
vkd_options watch_begin(watch *w);
/* Fails the test when host memory is left or validation had complaints. */
void watch_end(watch *w);

/* Steps between the library and the Vulkan loader, for the rest of the process; before anything
 * else opens the loader. False where there is no loader. */
bool faulty_driver_install(void);
/* The call of this number from now on, counted from 0, of `function` (null: of any that can fail)
 * returns the VkResult `result` without having done anything. */
void faulty_driver_arm(const char *function, int64_t at, int result);
/* From now on every queue family seems to have so many queues, while all work goes to its first; 0:
 * ends that. */
void faulty_driver_pretend_queues(uint32_t count);
/* From now on devices seem to have VK_KHR_global_priority alone of its kind, on true; a
 * vkCreateDevice that asks for a priority gives the VkResult `result`. */
void faulty_driver_pretend_priorities(bool on, int result);
/* How many have asked since; for what, the last. */
uint32_t faulty_driver_priorities(uint32_t *out_last);
/* How many submissions the queue of this number has had since. */
uint32_t faulty_driver_queue_uses(uint32_t queue);
/* From now on calls of `function`, one that can fail, are counted; how many there were since. */
void faulty_driver_count(const char *function);
uint32_t faulty_driver_counted(void);
/* Bytes of device memory, host-visible one included, that are allocated and not yet freed. */
uint64_t faulty_driver_memory(void);
/* What a driver may do that none should, and some do. */
typedef enum faulty_oddity {
    FAULTY_NO_ODDITY,
    FAULTY_LIST_LONG,      /* a list claims to have more items than there was room for */
    FAULTY_LIST_SHORT,     /* VK_INCOMPLETE, and the last item is missing */
    FAULTY_LIST_UNWRITTEN, /* VK_SUCCESS, and nothing is written */
    /* as many items as there is room for, the last over and over; the count is not written */
    FAULTY_LIST_REPEATED,
    FAULTY_UNWRITTEN, /* a struct of properties stays as it was */
    FAULTY_NO_LIMITS, /* of vkGetPhysicalDeviceProperties those are zero */
    /* a pipeline cache is what it was made from, behind a header of 32 bytes */
    FAULTY_CACHE_HEADER,
    FAULTY_CACHE_LONG,  /* its data claims to be longer than there was room for */
    FAULTY_CACHE_SHORT, /* VK_INCOMPLETE, and the second half is missing */
    FAULTY_CACHE_UNWRITTEN,
    FAULTY_SUMS,     /* what kernels should add is subtracted, if it is floats */
    FAULTY_PRODUCTS, /* what they should multiply is added, if it is integers */
} faulty_oddity;
/* From now on `function` does that: one that lists, one of vkGetPhysicalDevice*,
 * vkGetPipelineCacheData, or vkCreateShaderModule. */
void faulty_driver_be_odd(const char *function, faulty_oddity oddity);
/* Of modules only those of so many words; 0: all. */
void faulty_driver_odd_words(size_t words);
/* How often it has since. */
uint32_t faulty_driver_odd_calls(void);

/* Ends what faulty_driver_arm began. The name of the function that failed; null if none has. */
const char *faulty_driver_disarm(void);

#endif
