/* vkdelegate: runs the graphs that ExecuTorch lowers to its Vulkan delegate.
 *
 * Two layers, both in this header:
 *   - vkd_delegate: one delegate blob ("VH00"/"VK00") with its compile specs and named data; what a
 * runtime that already reads the .pte container needs.
 *   - vkd_program / vkd_method: the .pte container itself, for applications that have only a file.
 *
 * Conventions
 *   - Every call that can fail returns vkd_status. Nothing aborts. The reason of a failure is
 * logged once (vkd_options.log) and kept as text: vkd_last_error() where an object exists,
 * vkd_options.error where none came into being.
 *   - Structs that the caller fills begin with their size, which tells the library what the caller
 * knows of: `vkd_options options = {.size = sizeof options};`. All else may be zero, which means
 * the defaults; so do fields that a caller's older header lacks. What a newer header has more must
 * be zero. A size that is wrong is VKD_INVALID_ARGUMENT. Of an array of such structs all have the
 * same size.
 *   - Results come last, in parameters named `out`. On failure `*out` is null or untouched.
 *   - Ownership: what vkd_*_init / _open / _load return is released by the matching _destroy /
 * _close / _unload, which accept null. Strings and structs that a query returns belong to the
 * object and live as long as it does.
 *   - Threads: different objects may be used by different threads at the same time; one object by
 * one thread at a time.
 *   - fork(): a child can only destroy, close and unload what it has inherited, which releases its
 * host memory at once and leaves the device alone; executing and waiting there is VKD_DEVICE_LOST.
 * It should end with _exit() or exec: some drivers wait for their threads in exit(), which the
 * child does not have.
 *   - The library may be unloaded (dlclose) when all objects are gone, and loaded again: it leaves
 * no thread and no Vulkan instance behind. The drivers of devices that were used stay loaded.
 */
#ifndef VKDELEGATE_H
#define VKDELEGATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define VKD_API __attribute__((visibility("default")))
#define VKD_MUST_USE __attribute__((warn_unused_result))
#define VKD_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define VKD_API
#define VKD_MUST_USE
#define VKD_PRINTF(text, first)
#endif

#define VKD_VERSION_MAJOR 0
#define VKD_VERSION_MINOR 1
#define VKD_VERSION_PATCH 0

/* ----------------------------------------------------------------------------------- vocabulary */

typedef enum vkd_status {
    VKD_OK = 0,
    VKD_INVALID_ARGUMENT, /* a null pointer, or a tensor of the wrong dtype, rank or size */
    VKD_INVALID_MODEL,    /* the bytes are no such file, or contradict themselves */
    /* a valid model with an operator, or a form of one, that this library does not run */
    VKD_UNSUPPORTED,
    VKD_NO_DEVICE, /* no Vulkan library, no driver, or no device that fits the request */
    /* the device failed or timed out; the object can only be destroyed, a new one may work */
    VKD_DEVICE_LOST,
    VKD_OUT_OF_MEMORY, /* host or device */
    VKD_IO_ERROR,      /* a file could not be read or written */
    VKD_NOT_FOUND,     /* no method, input, output or index of that name or number */
    VKD_DEVICE_ERROR,  /* any other error of the Vulkan driver */
} vkd_status;

typedef enum vkd_log_level {
    VKD_LOG_ERROR = 0,
    VKD_LOG_WARNING,
    VKD_LOG_INFO,
    VKD_LOG_DEBUG
} vkd_log_level;

/* Receives one line without a newline. May be called from the thread that called into the library,
 * and from no other. */
typedef void (*vkd_log_fn)(void *user, vkd_log_level level, const char *message);

typedef enum vkd_dtype {
    VKD_DTYPE_BOOL = 0,
    VKD_DTYPE_UINT8,
    VKD_DTYPE_INT8,
    VKD_DTYPE_INT32,
    VKD_DTYPE_FLOAT16,
    VKD_DTYPE_FLOAT32,
    VKD_DTYPE_FLOAT64,
    VKD_DTYPE_INT64,
    VKD_DTYPE_COUNT
} vkd_dtype;

#define VKD_MAX_RANK 8

/* Host memory. `allocate` returns so many bytes, aligned for any type, or null; `release` takes
 * what it returned, never null. The Vulkan driver's own memory does not come from here. */
typedef struct vkd_allocator {
    size_t size; /* sizeof(vkd_allocator) */
    void *(*allocate)(void *user, size_t bytes);
    void (*release)(void *user, void *memory);
    void *user;
} vkd_allocator;

/* -------------------------------------------------------------------------------------- options */

typedef enum vkd_int8_dot {
    VKD_DOT_AUTO = 0, /* by the device's accelerated flags */
    VKD_DOT_NONE,     /* unpack and multiply */
    VKD_DOT_SIGNED,   /* OpSDot, signed x signed */
    VKD_DOT_MIXED     /* OpSUDot, signed weights x unsigned activations */
} vkd_int8_dot;

typedef enum vkd_select {
    VKD_SELECT_AUTO = 0, /* by a cost model, or by measurements where the tuning file has them */
    VKD_SELECT_MEASURE   /* by measuring, once for each shape: takes time in vkd_init, and none once
                            the tuning file has the   shapes */
} vkd_select;

/* Before a kernel is used for the first time on a device, it is run on made-up data, and a part of
 * the results is compared with plain C. One that fails is a warning in the log, and not used where
 * there is another one for the same. Verdicts are kept in the
 * tuning file, by device, driver and version of the kernels. */
typedef enum vkd_self_check {
    /* each variant of a convolution that is chosen, and of the other kernels so many that it takes
     * less than a tenth of vkd_init's time, one at least; later ones go on */
    VKD_SELF_CHECK_AUTO = 0,
    VKD_SELF_CHECK_NONE, /* what is remembered is not asked either */
    /* every kernel, and a model that needs a wrong one is refused (VKD_UNSUPPORTED) */
    VKD_SELF_CHECK_ALL
} vkd_self_check;

/* An existing Vulkan device to work on instead of one of our own. Everything stays the caller's and
 * must outlive the object. The queue must support compute. lock/unlock, when set, are called around
 * every use of the queue. */
typedef struct vkd_vulkan {
    size_t size; /* sizeof(vkd_vulkan) */
    struct VkInstance_T *instance;
    struct VkPhysicalDevice_T *physical_device;
    struct VkDevice_T *device;
    struct VkQueue_T *queue;
    uint32_t queue_family;
    /* VkPhysicalDeviceShaderIntegerDotProductFeatures::shaderIntegerDotProduct is enabled */
    bool integer_dot_product;
    void (*lock)(void *user);
    void (*unlock)(void *user);
    void *user;
} vkd_vulkan;

/* What is done to a model's operators before they are lowered; bits of a set. All are exact but the
 * mean among VKD_REWRITE_INT8, which rounds once where the file's operators round several times,
 * and VKD_REWRITE_FUSE_NORM. */
typedef enum vkd_rewrites {
    VKD_REWRITE_CLONES = 1, /* layout transitions vanish */
    VKD_REWRITE_VIEWS = 2,  /* a quantize moves in front of views */
    /* float operators between a dequantize and a quantize run on int8 */
    VKD_REWRITE_INT8 = 4,
    VKD_REWRITE_FUSE_CLAMP = 8,       /* a clamp joins the convolution before it */
    VKD_REWRITE_FUSE_ADD = 16,        /* a residual addition joins the convolution before it */
    VKD_REWRITE_FUSE_DEQUANTIZE = 32, /* a dequantize joins the linear layer before it */
    VKD_REWRITE_FOLD = 64,            /* constants are prepacked and cast once */
    /* float operators that work element by element, with the dequantize before and the quantize
     * behind them, become one dispatch */
    VKD_REWRITE_CHAINS = 128,
    /* a function of an int8 convolution's result joins it, as a table */
    VKD_REWRITE_FUSE_CHAIN = 256,
    /* products, softmax and what is between them become one operator, whose scores are not rounded
     * to half precision; a token's query and key are turned where attention reads them */
    VKD_REWRITE_ATTENTION = 512,
    /* concatenations look their int8 parts up in tables, and share the memory of a longer one that
     * begins as they do */
    VKD_REWRITE_CATS = 1024,
    /* two int8 convolutions of one pixel become one dispatch, with what is a function of their
     * result alone */
    VKD_REWRITE_EXCITE = 2048,
    /* what only moves rows of elements, call by call, is one copy */
    VKD_REWRITE_MOVES = 4096,
    /* a batch norm by constants joins the convolution of floats before it: weights and bias are
     * multiplied, and round once more */
    VKD_REWRITE_FUSE_NORM = 8192,
} vkd_rewrites;

typedef enum vkd_priority {
    VKD_PRIORITY_DEFAULT = 0, /* what a queue has that asks for nothing: medium */
    VKD_PRIORITY_LOW,
    VKD_PRIORITY_HIGH,
    VKD_PRIORITY_REALTIME
} vkd_priority;

typedef struct vkd_engine vkd_engine;

#define VKD_PIXEL_CHANNELS 4

/* An input that is an image of floats, which the caller has as bytes: a quarter of what is copied
 * of floats. The device makes (byte / 255 - mean) / std of each, by a table that has been computed
 * in double precision and rounded once to float32, so that results are those of floats which the
 * caller rounds so. Where the model quantises them first, that is in the table, too. */
typedef struct vkd_pixels {
    size_t size; /* sizeof(vkd_pixels) */
    /* which input: float32 or float16, its dims N, C, H, W; 1 to VKD_PIXEL_CHANNELS channels */
    size_t input;
    /* The input is uint8 instead, and vkd_method_input_info tells it so: of the dims N, H, W, C,
     * the bytes of a pixel side by side; else N, C, H, W. Row-major, whatever order of its floats a
     * program declares. */
    bool channels_last;
    double mean[VKD_PIXEL_CHANNELS], std[VKD_PIXEL_CHANNELS]; /* finite, std not 0; of C channels */
} vkd_pixels;

typedef struct vkd_options {
    size_t size;    /* sizeof(vkd_options) */
    vkd_log_fn log; /* null: warnings and errors go to stderr */
    void *log_user;
    vkd_log_level log_level; /* the most detailed level to report; 0 = errors only */
    /* when a call fails before there is an object: receives the reason, zero-terminated */
    char *error;
    size_t error_size;
    const vkd_allocator *allocator; /* copied; null: malloc and free */

    /* Which device. A number ("1", as listed by vkd_list_devices), or a part of its name, any case
     * ("llvmpipe"). Null: the environment variable VKD_DEVICE in the same form, else discrete GPUs
     * before integrated before virtual before CPU implementations, and the first listed among
     * equals. */
    const char *device;
    const vkd_vulkan *vulkan; /* work on this device instead; `device` is then not read */
    /* enable VK_LAYER_KHRONOS_validation with synchronization validation; its messages are logged
     */
    bool validate;
    uint32_t timeout_ms; /* how long one execution may be waited for before the device counts as
                          * lost (VKD_DEVICE_LOST); 0: 10 000 on GPUs, 120 000 on CPU
                          * implementations, which compile their kernels in the first one */

    /* Where compiled pipelines are kept between processes. Null: $XDG_CACHE_HOME/vkdelegate or
     * ~/.cache/vkdelegate. The files are checked before use, replaced atomically, and a failure to
     * write them is only a warning. */
    const char *cache_dir;
    bool no_cache;

    /* Use this variant, family or tile ("im2col 4x4", "im2col", "4x4") for every convolution that
     * it can run; null: auto. VKD_INVALID_ARGUMENT if there is none of that name. */
    const char *variant;
    /* force a flavour of int8 kernels (for tests; the device must support it) */
    vkd_int8_dot int8_dot;
    bool no_rewrites; /* run every operator as the file has it (for tests) */
    /* no memory is shared between tensors, so that vkd_read_value can read each (for tests) */
    bool keep_intermediates;
    bool profile; /* take a time stamp around every dispatch */

    /* How kernels are chosen where there are several for the same and `variant` does not say it.
     * What was measured is kept in a tuning file in the cache directory, by device, driver and
     * version of the kernels, and any later vkd_init uses it, whatever `select` says there. */
    vkd_select select;
    /* How long one vkd_init may measure; 0: 2000. Getting ready for it, compiling above all, may
     * take four times as long beside. What was not measured then is left to the next one. */
    uint32_t measure_budget_ms;
    bool no_self_check;     /* the same as self_check = VKD_SELF_CHECK_NONE, which is newer */
    uint32_t skip_rewrites; /* a set of vkd_rewrites to leave out (for tests) */

    /* How many executions may be in flight at once, see vkd_submit; 0: 1, VKD_MAX_IN_FLIGHT at
     * most. Each has memory for inputs, outputs and intermediate tensors (vkd_memory_info: io and
     * scratch), and a recorded command buffer, of its own; the constants are there once. On a
     * device of our own they are spread over as many queues as the device has, so that a GPU with
     * several can overlap them; executions that share a state follow each other. */
    uint32_t in_flight;

    /* Work on this engine's device; null: on one of the object's own. The fields that choose a
     * device, its queues and the caches (device, vulkan, validate, cache_dir, no_cache, priority)
     * are the engine's then, and not read here. */
    vkd_engine *engine;

    /* Where shapes can change: for how many sets of shapes what was prepared for an execution is
     * kept, the last ones used, that of the model's own among them at first; VKD_MAX_PLANS at most;
     * 0: 4. Each takes host memory, and device memory for inputs, outputs and recorded commands. */
    uint32_t max_plans;
    /* Where shapes can change: an execution's memory for intermediate tensors, inputs and outputs
     * is taken when a set of shapes first comes, as much as that needs, and given back with it.
     * Else intermediate tensors have memory for the largest shapes from init on, which all sets
     * share: then a new one can hardly fail for want of memory. */
    bool memory_on_demand;

    /* Others use the device too: a user interface that must not stutter. An execution becomes as
     * many submissions to the queue as it takes for none to last longer, so that the device can do
     * something else in between; 0: one, however long. By estimates at first, by the device's time
     * stamps from the second execution on, and again when they change. A kernel that takes longer
     * by itself cannot be cut. Results are the same bits; where a submission fails, the state
     * (vkd_state_reset) may have changed. */
    uint32_t max_submit_ms;
    /* What the device does first, where the system decides (VK_KHR/EXT_global_priority). It is a
     * wish: where the device has no priorities or the system does not allow this one (above the
     * default it often wants a privilege), a warning says so, and the default is used. One of those
     * that choose a device: the engine's where there is one, not read with `vulkan`. */
    vkd_priority priority;

    vkd_self_check self_check;

    /* Inputs that the caller has as bytes, at most one for each input; read by vkd_init and
     * vkd_method_load. VKD_INVALID_ARGUMENT for an input that is no such image. */
    const vkd_pixels *pixels;
    size_t pixel_count;
} vkd_options;

#define VKD_MAX_IN_FLIGHT 64
#define VKD_MAX_PLANS 64

/* ----------------------------------------------------------------------------- library, devices */

VKD_API uint32_t vkd_version(void);                     /* major << 22 | minor << 12 | patch */
VKD_API const char *vkd_status_name(vkd_status status); /* "VKD_OK" ... */
VKD_API const char *vkd_dtype_name(vkd_dtype dtype);    /* "f32" ... */
VKD_API size_t vkd_dtype_size(vkd_dtype dtype);         /* bytes of one element */

/* Whether a Vulkan library with at least one usable device is present. The first time it loads the
 * drivers; after that it asks them, which takes a tenth of a millisecond. Any thread may call it.
 */
VKD_API bool vkd_is_available(void);

typedef struct vkd_device_info {
    char name[256];
    const char *type; /* "discrete", "integrated", "virtual", "cpu", "other" */
    uint32_t vendor_id, device_id, api_version, driver_version;
    vkd_int8_dot int8_dot; /* the flavour that the library would use there */
} vkd_device_info;

/* Fills up to `capacity` entries and sets *out_count to how many devices there are. */
VKD_API VKD_MUST_USE vkd_status vkd_list_devices(const vkd_options *options,
                                                 vkd_device_info *entries, uint32_t capacity,
                                                 uint32_t *out_count);

/* --------------------------------------------------------------------------------------- engine */

/* A device with its queues, compiled kernels and their cache, what is known of them (vkd_options.
 * select), and packed constants, of which equal ones are there once: for any number of delegates,
 * methods and programs. Give it to them as vkd_options.engine. Any number of threads may do so at
 * once; each of these objects is for one thread at a time. Of the options those count that choose
 * the device and the cache, and in_flight: how many queues there are. They do not outlive the call,
 * but for the log's user and the allocator, which any thread that uses the engine may call then. */
VKD_API VKD_MUST_USE vkd_status vkd_engine_create(const vkd_options *options, vkd_engine **out);
/* After the objects that work on it. Once its device is lost, whichever object found that, all
 * refuse further work with VKD_DEVICE_LOST, and it gets no new ones: a new engine may work. */
VKD_API void vkd_engine_destroy(vkd_engine *engine);
VKD_API const vkd_device_info *vkd_engine_device(const vkd_engine *engine);

/* ------------------------------------------------------------------------------------- delegate */

typedef struct vkd_delegate vkd_delegate;

typedef struct vkd_compile_spec {
    size_t size; /* sizeof(vkd_compile_spec) */
    const char *key;
    const void *value;
    size_t value_size;
} vkd_compile_spec;

/* Constants that lie beside the blob. */
typedef struct vkd_named_data {
    size_t size; /* sizeof(vkd_named_data) */
    /* Finds bytes by key: VKD_OK, with where and how many they are; VKD_NOT_FOUND, or another
     * failure, which vkd_init returns. The bytes must stay where they are, unchanged, until their
     * release, or without one until vkd_destroy. */
    vkd_status (*find)(void *user, const char *key, const void **out_data, size_t *out_size);
    /* For each find that succeeded, once: the bytes are not needed any more. Called from within
     * vkd_init as soon as all that is made of them is on the device; but from vkd_destroy where
     * shapes can change, as constants may be packed in another way then, or where there is state,
     * which can be reset. May be null. */
    void (*release)(void *user, const char *key, const void *data, size_t size);
    void *user;
} vkd_named_data;

/* Builds the graph of one delegate blob and makes it ready to run: everything that can be done once
 * is done here. blob must not change during the call, as the bytes of vkd_program_open_bytes, and
 * not until vkd_destroy where shapes can change or there is state (vkd_needs_constants). specs may
 * be null if spec_count is 0; named_data may be null if the blob's constants are inline. options
 * may be null. */
VKD_API VKD_MUST_USE vkd_status vkd_init(const void *blob, size_t blob_size,
                                         const vkd_compile_spec *specs, size_t spec_count,
                                         const vkd_named_data *named_data,
                                         const vkd_options *options, vkd_delegate **out);

/* Whether constants are needed until vkd_destroy: the blob and the named data must stay. */
VKD_API bool vkd_needs_constants(const vkd_delegate *delegate);

/* Memory that something else has made, for arguments that are not copied: a camera's, a decoder's,
 * another API's, or pages of the process. */
typedef struct vkd_memory vkd_memory;

typedef enum vkd_external_kind {
    /* Pages of this process (VK_EXT_external_memory_host): pointer and bytes are multiples of what
     * the device says, 4096 mostly. They stay the caller's and must outlive the vkd_memory. */
    VKD_EXTERNAL_HOST = 0,
    /* A file descriptor that Vulkan has exported, of the same driver and device
     * (VK_KHR_external_memory_fd); bytes and memory_type are those of that allocation. */
    VKD_EXTERNAL_FD,
    VKD_EXTERNAL_DMA_BUF, /* VK_EXT_external_memory_dma_buf */
    /* An AHardwareBuffer at pointer, of format BLOB and usage GPU_DATA_BUFFER
     * (VK_ANDROID_external_memory_android_hardware_buffer). A reference is kept. */
    VKD_EXTERNAL_HARDWARE_BUFFER
} vkd_external_kind;

typedef struct vkd_external_memory {
    size_t size; /* sizeof(vkd_external_memory) */
    vkd_external_kind kind;
    int fd; /* stays the caller's, who may close it after the import: a duplicate is kept */
    void *pointer;
    uint64_t bytes;       /* of the memory */
    uint32_t memory_type; /* VKD_EXTERNAL_FD: the number of Vulkan's memory type */
    char *error;          /* as in vkd_options */
    size_t error_size;
} vkd_external_memory;

/* For executions of what works on the engine, by any number of them. VKD_UNSUPPORTED where the
 * device does not import that kind. Any thread may call it. */
VKD_API VKD_MUST_USE vkd_status vkd_memory_import(vkd_engine *engine,
                                                  const vkd_external_memory *external,
                                                  vkd_memory **out);
/* When no execution with it is in flight, and before the engine goes. */
VKD_API void vkd_memory_release(vkd_memory *memory);

/* One argument of an execution. Its bytes are contiguous, in the dim_order that vkd_input_info and
 * vkd_output_info tell, which is row-major but for methods whose program declares otherwise. A
 * number, an int, a double or a bool of the program's, is an argument without dims. */
typedef struct vkd_tensor_arg {
    size_t size; /* sizeof(vkd_tensor_arg) */
    vkd_dtype dtype;
    uint32_t rank; /* of an input; of an output it is written at completion, as the dims are */
    int64_t dims[VKD_MAX_RANK];
    const void *input; /* an input's bytes */
    void *output;      /* where an output's bytes go */
    size_t capacity;   /* how many bytes there are, at least what dtype and dims need */
    /* Not null: the device reads or writes this memory, from `offset` on, and nothing is copied;
     * input, output and capacity are not read. dtype and order must be the model's own, which
     * vkd_input_info tells; the offset a multiple of 256; and the tensor's bytes, rounded up to 16,
     * be there: those behind an output are undefined then. No output may overlap another argument.
     * It is written before a submit and left alone until the execution is complete. */
    vkd_memory *memory;
    uint64_t offset;
} vkd_tensor_arg;

/* Runs the graph once. args: the inputs in order, then the outputs in order (as many as the
 * delegate has; further arguments between them are ignored, as ExecuTorch does). An input has the
 * rank that vkd_input_info tells, and its sizes; where shapes can change those are the largest. The
 * dtype must be the same or a wider one of the same kind (int64 for int32, float64 or float16 for
 * float32). Blocks until the results are in the outputs' memory and their dims in args. On failure
 * the outputs' contents are undefined. */
VKD_API VKD_MUST_USE vkd_status vkd_execute(vkd_delegate *delegate, vkd_tensor_arg *args,
                                            size_t arg_count);

/* Starts an execution with such arguments and does not wait for it: the inputs are copied; the
 * outputs' memory and their structs in args must stay valid until the execution is complete.
 * *out_ticket names it; tickets count up from 1. Where vkd_options.in_flight executions are in
 * flight already the oldest of them is completed first, as by vkd_wait; if that fails, so does
 * this, and nothing was started. */
VKD_API VKD_MUST_USE vkd_status vkd_submit(vkd_delegate *delegate, vkd_tensor_arg *args,
                                           size_t arg_count, uint64_t *out_ticket);
/* Completes an execution: blocks until its results are in its outputs' memory. In any order; each
 * wait may take as long as the time-out. For one that is complete already, by an earlier wait or by
 * a submit, it returns its status again at once (of those that failed, the last VKD_MAX_IN_FLIGHT
 * are remembered). VKD_INVALID_ARGUMENT for a ticket that was never given, VKD_DEVICE_LOST for all
 * others that were in flight when an execution failed. */
VKD_API VKD_MUST_USE vkd_status vkd_wait(vkd_delegate *delegate, uint64_t ticket);

/* Executions in flight are waited for, each as long as the time-out; their results are dropped.
 * After a time-out all of them have as long again, and what the device may then still be using is
 * leaked, with a warning. */
VKD_API void vkd_destroy(vkd_delegate *delegate);

/* The message of the last failed call on this delegate, "" if none failed. */
VKD_API const char *vkd_last_error(const vkd_delegate *delegate);

/* State: tensors that the graph writes and keeps from one execution to the next, a KV cache for
 * instance. Each delegate has its own. Its executions follow each other in the order of their
 * submits. Reading and resetting complete what is in flight first.
 */
VKD_API size_t vkd_state_count(const vkd_delegate *delegate);
struct vkd_tensor_info;
VKD_API VKD_MUST_USE vkd_status vkd_state_info(const vkd_delegate *delegate, size_t index,
                                               struct vkd_tensor_info *out);
/* Its elements, row-major; capacity: bytes at data. */
VKD_API VKD_MUST_USE vkd_status vkd_state_read(vkd_delegate *delegate, size_t index, void *data,
                                               size_t capacity);
/* Makes all of it what it was before the first execution. */
VKD_API VKD_MUST_USE vkd_status vkd_state_reset(vkd_delegate *delegate);

/* -------------------------------------------------------------------------------- introspection */

typedef struct vkd_tensor_info {
    vkd_dtype dtype;
    uint32_t rank;
    int64_t dims[VKD_MAX_RANK];
    size_t size; /* bytes of the contiguous tensor */
    /* How its bytes lie: the dims by number, from that whose neighbours lie farthest apart to that
     * whose lie side by side. 0, 1, 2, 3 is row-major; 0, 2, 3, 1 has the channels of NCHW last. */
    uint8_t dim_order[VKD_MAX_RANK];
} vkd_tensor_info;

VKD_API size_t vkd_input_count(const vkd_delegate *delegate);
VKD_API size_t vkd_output_count(const vkd_delegate *delegate);
VKD_API VKD_MUST_USE vkd_status vkd_input_info(const vkd_delegate *delegate, size_t index,
                                               vkd_tensor_info *out);
VKD_API VKD_MUST_USE vkd_status vkd_output_info(const vkd_delegate *delegate, size_t index,
                                                vkd_tensor_info *out);

/* The device this delegate runs on. */
VKD_API const vkd_device_info *vkd_delegate_device(const vkd_delegate *delegate);

/* scratch and io: of all executions that can be in flight, with all sets of shapes that are kept.
 */
typedef struct vkd_memory_info {
    uint64_t constants; /* device bytes of packed weights and parameters */
    /* device bytes of intermediate tensors, sharing memory where lifetimes allow */
    uint64_t scratch;
    /* what they would take without sharing, in the shapes of the last execution */
    uint64_t scratch_unaliased;
    uint64_t io;   /* bytes of the host-visible input and output buffers */
    uint64_t host; /* host bytes held after init */
    /* host bytes held at the worst moment of init; staging, and a file that was read, included */
    uint64_t host_peak;
    /* of `constants`: those that other objects on the engine have too, and are there once for all
     */
    uint64_t constants_shared;
} vkd_memory_info;
VKD_API void vkd_describe_memory(const vkd_delegate *delegate, vkd_memory_info *out);

/* One GPU dispatch, in execution order. */
typedef struct vkd_node_info {
    const char *op;      /* the file's operator that it implements, "et_vk.q8ta_conv2d.default" */
    uint32_t op_id;      /* its node_id in the file */
    const char *kernel;  /* shader name */
    const char *variant; /* which of several kernels for the same; "" where there is one */
    const char *shape;   /* "1x64x56x56 -> 1x64x56x56 3x3 s1 p1" */
    uint64_t macs;       /* multiply-adds, 0 where that says nothing */
    uint32_t groups[3];  /* workgroups */
    /* in the execution completed last, from its start; 0 without vkd_options.profile */
    uint64_t start_ns;
    uint64_t gpu_ns; /* GPU time in that execution; 0 without vkd_options.profile */
} vkd_node_info;
VKD_API size_t vkd_node_count(const vkd_delegate *delegate);
VKD_API VKD_MUST_USE vkd_status vkd_describe_node(const vkd_delegate *delegate, size_t index,
                                                  vkd_node_info *out);

/* Which of the submissions that an execution is (vkd_options.max_submit_ms) a node is in, from 0
 * on, in the next one; the last node's plus 1 is their number. */
VKD_API uint32_t vkd_node_submission(const vkd_delegate *delegate, size_t index);

/* What the self-check (vkd_options.self_check) says of a node's kernel on this device, for people:
 * "right", "wrong", "not yet", "too long for the time given", "not interpreted", "as a variant" for
 * those that are checked while they are chosen; null out of range. */
VKD_API const char *vkd_node_check(const vkd_delegate *delegate, size_t index);

/* What a node reads or writes. */
typedef struct vkd_operand_info {
    /* which memory: operands with the same number are views of the same bytes */
    uint32_t memory;
    /* "input", "output", "constant", "scratch", "state", "symbols" */
    const char *place;
    vkd_dtype dtype;
    uint32_t rank;
    int64_t dims[VKD_MAX_RANK];
    uint64_t bytes;  /* of the memory on the device, padding included */
    uint64_t offset; /* of scratch: where in all scratch memory; else 0 */
    bool writes;
} vkd_operand_info;
/* Operand `index` of a node; VKD_NOT_FOUND behind the last. */
VKD_API VKD_MUST_USE vkd_status vkd_describe_operand(const vkd_delegate *delegate, size_t node,
                                                     size_t index, vkd_operand_info *out);

/* GPU time of the whole execution completed last, 0 where the device has no time stamps. */
VKD_API uint64_t vkd_gpu_ns(const vkd_delegate *delegate);

/* How a kernel was chosen among several for the same, one entry per choice. */
typedef struct vkd_candidate_info {
    const char *variant;
    bool eligible;
    double cost_us;     /* estimate, 0 if not eligible */
    const char *reason; /* why it is not eligible, or what the estimate rests on */
    double measured_us; /* on this device, now or by an earlier process; 0: not measured */
} vkd_candidate_info;
typedef struct vkd_selection_info {
    const char *op;
    uint32_t op_id;
    const char *problem; /* the shape as text */
    const char *winner;
    const char *reason;
    size_t candidate_count;
    const vkd_candidate_info *candidates;
} vkd_selection_info;
VKD_API size_t vkd_selection_count(const vkd_delegate *delegate);
VKD_API VKD_MUST_USE vkd_status vkd_describe_selection(const vkd_delegate *delegate, size_t index,
                                                       vkd_selection_info *out);

/* For tests: the contiguous row-major contents of a value of the file after the execution completed
 * last, unless a later one has taken its memory. Needs vkd_options.keep_intermediates.
 * VKD_NOT_FOUND for values that the rewrites removed. `out_info->dtype` is the value's. */
VKD_API VKD_MUST_USE vkd_status vkd_read_value(vkd_delegate *delegate, uint32_t value_id,
                                               void *data, size_t size, vkd_tensor_info *out_info);

/* ------------------------------------------------------------------------------- .pte container */

typedef struct vkd_program vkd_program;
typedef struct vkd_method vkd_method;

/* Reads the file. The options' log, error and allocator are used; the rest is given to
 * vkd_method_load. The file may be changed, cut short, replaced or removed at any time: what is
 * read then is refused or gives other results, VKD_IO_ERROR where its end is missing. The program
 * keeps it open, and in memory until the first vkd_method_load is over; each further one reads it
 * again. */
VKD_API VKD_MUST_USE vkd_status vkd_program_open(const char *path, const vkd_options *options,
                                                 vkd_program **out);
/* The bytes are not copied, must outlive the program, and must not change. Where they do all the
 * same, results are wrong, but no memory is harmed: what is decided on is copied first. In a mapped
 * file they must not be cut off either: then the system ends the process (SIGBUS). */
VKD_API VKD_MUST_USE vkd_status vkd_program_open_bytes(const void *bytes, size_t size,
                                                       const vkd_options *options,
                                                       vkd_program **out);
/* Gives a program the constants of a .ptd file, under whose keys vkd_method_load looks first; any
 * number of files, before that. Where a method needs a constant that is in none, the error names
 * its key. VKD_INVALID_MODEL if the bytes are no such file, or if one of its tensors is in the
 * program, or in a file before, too. A file, and bytes, are treated as the program's own. */
VKD_API VKD_MUST_USE vkd_status vkd_program_add_data(vkd_program *program, const char *path);
VKD_API VKD_MUST_USE vkd_status vkd_program_add_data_bytes(vkd_program *program, const void *bytes,
                                                           size_t size);
VKD_API void vkd_program_close(vkd_program *program); /* after its methods */
VKD_API const char *vkd_program_error(const vkd_program *program);
VKD_API size_t vkd_program_method_count(const vkd_program *program);
/* null out of range */
VKD_API const char *vkd_program_method_name(const vkd_program *program, size_t index);

/* Prepares one method; name null: "forward". All of it becomes one graph: the operators inside its
 * delegates and the portable ones between them. VKD_UNSUPPORTED with the operators' names where
 * some are not known, and for control flow. */
VKD_API VKD_MUST_USE vkd_status vkd_method_load(vkd_program *program, const char *name,
                                                const vkd_options *options, vkd_method **out);
VKD_API void vkd_method_unload(vkd_method *method);
VKD_API const char *vkd_method_error(const vkd_method *method);
/* The whole method's graph: for the introspection and the state above. It belongs to the method. */
VKD_API vkd_delegate *vkd_method_delegate(vkd_method *method);

/* Metadata of the method's own inputs and outputs, as the program declares them; dim_order
 * included, in which their bytes are taken and given. */
VKD_API size_t vkd_method_input_count(const vkd_method *method);
VKD_API size_t vkd_method_output_count(const vkd_method *method);
VKD_API VKD_MUST_USE vkd_status vkd_method_input_info(const vkd_method *method, size_t index,
                                                      vkd_tensor_info *out);
VKD_API VKD_MUST_USE vkd_status vkd_method_output_info(const vkd_method *method, size_t index,
                                                       vkd_tensor_info *out);

/* As vkd_execute, vkd_submit and vkd_wait, with the method's inputs and outputs. */
VKD_API VKD_MUST_USE vkd_status vkd_method_execute(vkd_method *method, vkd_tensor_arg *args,
                                                   size_t arg_count);
VKD_API VKD_MUST_USE vkd_status vkd_method_submit(vkd_method *method, vkd_tensor_arg *args,
                                                  size_t arg_count, uint64_t *out_ticket);
VKD_API VKD_MUST_USE vkd_status vkd_method_wait(vkd_method *method, uint64_t ticket);

/* -------------------------------------------------------------------------------------- plug-in */

#define VKD_BACKEND_ABI 3u

/* Everything above as a table, for runners that load the library at run time:
 *     const vkd_backend_table *backend = dlsym(library, "vkd_backend");
 * Check abi_version == VKD_BACKEND_ABI before anything else. Later versions of the same ABI only
 * append to the table, and keep the structs that callers fill in. */
typedef struct vkd_backend_table {
    uint32_t abi_version;
    uint32_t table_size; /* sizeof(vkd_backend_table) in the library */
    const char *id;      /* "VulkanBackend", the delegate id in .pte files */

    uint32_t (*version)(void);
    const char *(*status_name)(vkd_status);
    const char *(*dtype_name)(vkd_dtype);
    size_t (*dtype_size)(vkd_dtype);
    bool (*is_available)(void);
    vkd_status (*list_devices)(const vkd_options *, vkd_device_info *, uint32_t, uint32_t *);

    vkd_status (*engine_create)(const vkd_options *, vkd_engine **);
    void (*engine_destroy)(vkd_engine *);
    const vkd_device_info *(*engine_device)(const vkd_engine *);

    vkd_status (*init)(const void *, size_t, const vkd_compile_spec *, size_t,
                       const vkd_named_data *, const vkd_options *, vkd_delegate **);
    bool (*needs_constants)(const vkd_delegate *);
    vkd_status (*execute)(vkd_delegate *, vkd_tensor_arg *, size_t);
    vkd_status (*submit)(vkd_delegate *, vkd_tensor_arg *, size_t, uint64_t *);
    vkd_status (*wait)(vkd_delegate *, uint64_t);
    size_t (*state_count)(const vkd_delegate *);
    vkd_status (*state_info)(const vkd_delegate *, size_t, vkd_tensor_info *);
    vkd_status (*state_read)(vkd_delegate *, size_t, void *, size_t);
    vkd_status (*state_reset)(vkd_delegate *);
    void (*destroy)(vkd_delegate *);
    const char *(*last_error)(const vkd_delegate *);

    size_t (*input_count)(const vkd_delegate *);
    size_t (*output_count)(const vkd_delegate *);
    vkd_status (*input_info)(const vkd_delegate *, size_t, vkd_tensor_info *);
    vkd_status (*output_info)(const vkd_delegate *, size_t, vkd_tensor_info *);
    const vkd_device_info *(*delegate_device)(const vkd_delegate *);
    void (*memory)(const vkd_delegate *, vkd_memory_info *);
    size_t (*node_count)(const vkd_delegate *);
    vkd_status (*node)(const vkd_delegate *, size_t, vkd_node_info *);
    uint64_t (*gpu_ns)(const vkd_delegate *);
    size_t (*selection_count)(const vkd_delegate *);
    vkd_status (*selection)(const vkd_delegate *, size_t, vkd_selection_info *);
    vkd_status (*read_value)(vkd_delegate *, uint32_t, void *, size_t, vkd_tensor_info *);

    vkd_status (*program_open)(const char *, const vkd_options *, vkd_program **);
    vkd_status (*program_open_bytes)(const void *, size_t, const vkd_options *, vkd_program **);
    void (*program_close)(vkd_program *);
    const char *(*program_error)(const vkd_program *);
    size_t (*program_method_count)(const vkd_program *);
    const char *(*program_method_name)(const vkd_program *, size_t);
    vkd_status (*method_load)(vkd_program *, const char *, const vkd_options *, vkd_method **);
    void (*method_unload)(vkd_method *);
    const char *(*method_error)(const vkd_method *);
    vkd_delegate *(*method_delegate)(vkd_method *);
    size_t (*method_input_count)(const vkd_method *);
    size_t (*method_output_count)(const vkd_method *);
    vkd_status (*method_input_info)(const vkd_method *, size_t, vkd_tensor_info *);
    vkd_status (*method_output_info)(const vkd_method *, size_t, vkd_tensor_info *);
    vkd_status (*method_execute)(vkd_method *, vkd_tensor_arg *, size_t);
    vkd_status (*method_submit)(vkd_method *, vkd_tensor_arg *, size_t, uint64_t *);
    vkd_status (*method_wait)(vkd_method *, uint64_t);

    vkd_status (*program_add_data)(vkd_program *, const char *);
    vkd_status (*program_add_data_bytes)(vkd_program *, const void *, size_t);

    vkd_status (*operand)(const vkd_delegate *, size_t, size_t, vkd_operand_info *);
    uint32_t (*node_submission)(const vkd_delegate *, size_t);
    const char *(*node_check)(const vkd_delegate *, size_t);

    vkd_status (*memory_import)(vkd_engine *, const vkd_external_memory *, vkd_memory **);
    void (*memory_release)(vkd_memory *);
} vkd_backend_table;

VKD_API extern const vkd_backend_table vkd_backend;

#ifdef __cplusplus
}
#endif
#endif
