/* The native side of io.vkdelegate: what Native.java declares, over the public header. Handles are
 * pointers. A failed call has thrown io.vkdelegate.VkdException when it returns. */
#include <jni.h>
#include <stdlib.h>
#include <string.h>

#include <vkdelegate.h>

#ifdef __ANDROID__
#include <android/log.h>

static void log_line(void *user, vkd_log_level level, const char *message)
{
    static const int levels[] = {ANDROID_LOG_ERROR, ANDROID_LOG_WARN, ANDROID_LOG_INFO,
                                 ANDROID_LOG_DEBUG};
    (void)user;
    __android_log_write(levels[level], "vkdelegate", message);
}
#else
static const vkd_log_fn log_line = NULL; /* stderr */
#endif

#define NATIVE(type, name) JNIEXPORT type JNICALL Java_io_vkdelegate_Native_##name

static void *pointer(jlong handle) { return (void *)(uintptr_t)handle; }
static jlong handle_of(const void *object) { return (jlong)(uintptr_t)object; }

static jbyteArray bytes_of(JNIEnv *env, const char *text)
{
    jsize length = (jsize)strlen(text);
    jbyteArray bytes = (*env)->NewByteArray(env, length);
    if (bytes)
        (*env)->SetByteArrayRegion(env, bytes, 0, length, (const jbyte *)text);
    return bytes;
}

static void throw_status(JNIEnv *env, vkd_status status, const char *text)
{
    if ((*env)->ExceptionCheck(env))
        return;
    jclass kind = (*env)->FindClass(env, "io/vkdelegate/VkdException");
    jmethodID make = kind ? (*env)->GetMethodID(env, kind, "<init>", "(I[B)V") : NULL;
    jbyteArray bytes = make ? bytes_of(env, *text ? text : vkd_status_name(status)) : NULL;
    jobject thrown = bytes ? (*env)->NewObject(env, kind, make, (jint)status, bytes) : NULL;
    if (thrown)
        (*env)->Throw(env, (jthrowable)thrown);
}

/* A copy, for free(); null for null, and, with an exception, where memory is at an end. */
static char *text_of(JNIEnv *env, jbyteArray bytes)
{
    jsize length = bytes ? (*env)->GetArrayLength(env, bytes) : 0;
    char *text = bytes ? malloc((size_t)length + 1) : NULL;
    if (bytes && !text)
        throw_status(env, VKD_OUT_OF_MEMORY, "a text");
    if (!text)
        return NULL;
    (*env)->GetByteArrayRegion(env, bytes, 0, length, (jbyte *)text);
    text[length] = '\0';
    return text;
}

/* ---------------------------------------------------------------------------------- options */

enum { DEVICE, CACHE_DIR, VARIANT, TEXT_COUNT };
enum {
    TIMEOUT_MS,
    NO_CACHE,
    VALIDATE,
    PROFILE,
    NO_SELF_CHECK,
    MEASURE,
    MAX_SUBMIT_MS,
    PRIORITY,
    SELF_CHECK,
    NUMBER_COUNT
};

typedef struct given_options {
    vkd_options options;
    char *texts[TEXT_COUNT];
    char error[1024];
} given_options;

/* Options.texts() and Options.numbers(). To be ended in any case; false: an exception was thrown.
 */
static bool options_begin(JNIEnv *env, jobjectArray texts, jintArray numbers, given_options *out)
{
    jint values[NUMBER_COUNT];
    memset(out, 0, sizeof *out);
    (*env)->GetIntArrayRegion(env, numbers, 0, NUMBER_COUNT, values);
    for (jsize i = 0; i < TEXT_COUNT && !(*env)->ExceptionCheck(env); i++)
        out->texts[i] = text_of(env, (*env)->GetObjectArrayElement(env, texts, i));
    if ((*env)->ExceptionCheck(env))
        return false;
    out->options = (vkd_options){
        .size = sizeof out->options,
        .log = log_line,
        .log_level = VKD_LOG_WARNING,
        .error = out->error,
        .error_size = sizeof out->error,
        .device = out->texts[DEVICE],
        .cache_dir = out->texts[CACHE_DIR],
        .variant = out->texts[VARIANT],
        .timeout_ms = (uint32_t)values[TIMEOUT_MS],
        .no_cache = values[NO_CACHE],
        .validate = values[VALIDATE],
        .profile = values[PROFILE],
        .no_self_check = values[NO_SELF_CHECK],
        .max_submit_ms = (uint32_t)values[MAX_SUBMIT_MS],
        .priority = (vkd_priority)values[PRIORITY],
        .self_check = (vkd_self_check)values[SELF_CHECK],
        .select = values[MEASURE] ? VKD_SELECT_MEASURE : VKD_SELECT_AUTO,
    };
    return true;
}

static void options_end(given_options *given)
{
    for (size_t i = 0; i < TEXT_COUNT; i++)
        free(given->texts[i]);
}

/* ----------------------------------------------------------------------------------- engines */

NATIVE(jlong, engineCreate)
(JNIEnv *env, jclass class, jobjectArray texts, jintArray numbers)
{
    (void)class;
    given_options given;
    vkd_engine *engine = NULL;
    if (options_begin(env, texts, numbers, &given)) {
        vkd_status status = vkd_engine_create(&given.options, &engine);
        if (status != VKD_OK)
            throw_status(env, status, given.error);
    }
    options_end(&given);
    return handle_of(engine);
}

NATIVE(void, engineDestroy)(JNIEnv *env, jclass class, jlong engine)
{
    (void)env, (void)class;
    vkd_engine_destroy(pointer(engine));
}

NATIVE(jbyteArray, engineDevice)(JNIEnv *env, jclass class, jlong engine)
{
    (void)class;
    return bytes_of(env, vkd_engine_device(pointer(engine))->name);
}

/* ---------------------------------------------------------------------------------- programs */

NATIVE(jlong, programOpen)(JNIEnv *env, jclass class, jbyteArray path)
{
    (void)class;
    char error[1024] = "", *text = text_of(env, path);
    vkd_options options = {
        .size = sizeof options, .log = log_line, .error = error, .error_size = sizeof error};
    vkd_program *program = NULL;
    if ((*env)->ExceptionCheck(env))
        return 0;
    vkd_status status = vkd_program_open(text, &options, &program);
    free(text);
    if (status != VKD_OK)
        throw_status(env, status, error);
    return handle_of(program);
}

NATIVE(jlong, programOpenBytes)(JNIEnv *env, jclass class, jobject bytes)
{
    (void)class;
    char error[1024] = "";
    vkd_options options = {
        .size = sizeof options, .log = log_line, .error = error, .error_size = sizeof error};
    vkd_program *program = NULL;
    vkd_status status = vkd_program_open_bytes((*env)->GetDirectBufferAddress(env, bytes),
                                               (size_t)(*env)->GetDirectBufferCapacity(env, bytes),
                                               &options, &program);
    if (status != VKD_OK)
        throw_status(env, status, error);
    return handle_of(program);
}

NATIVE(void, programAddData)(JNIEnv *env, jclass class, jlong program, jbyteArray path)
{
    (void)class;
    char *text = text_of(env, path);
    if ((*env)->ExceptionCheck(env))
        return;
    vkd_status status = vkd_program_add_data(pointer(program), text);
    free(text);
    if (status != VKD_OK)
        throw_status(env, status, vkd_program_error(pointer(program)));
}

NATIVE(void, programClose)(JNIEnv *env, jclass class, jlong program)
{
    (void)env, (void)class;
    vkd_program_close(pointer(program));
}

NATIVE(jobjectArray, programMethods)(JNIEnv *env, jclass class, jlong program)
{
    (void)class;
    size_t count = vkd_program_method_count(pointer(program));
    jclass kind = (*env)->FindClass(env, "[B");
    jobjectArray names = kind ? (*env)->NewObjectArray(env, (jsize)count, kind, NULL) : NULL;
    for (size_t i = 0; names && i < count; i++) {
        jbyteArray name = bytes_of(env, vkd_program_method_name(pointer(program), i));
        if (!name)
            return NULL;
        (*env)->SetObjectArrayElement(env, names, (jsize)i, name);
        (*env)->DeleteLocalRef(env, name);
    }
    return names;
}

/* ----------------------------------------------------------------------------------- methods */

NATIVE(jlong, methodLoad)
(JNIEnv *env, jclass class, jlong program, jbyteArray name, jlong engine, jobjectArray texts,
 jintArray numbers)
{
    (void)class;
    given_options given;
    vkd_method *method = NULL;
    char *text = NULL;
    if (options_begin(env, texts, numbers, &given))
        text = text_of(env, name);
    if (!(*env)->ExceptionCheck(env)) {
        given.options.engine = pointer(engine);
        vkd_status status = vkd_method_load(pointer(program), text, &given.options, &method);
        if (status != VKD_OK)
            throw_status(env, status, given.error);
    }
    free(text);
    options_end(&given);
    return handle_of(method);
}

NATIVE(void, methodUnload)(JNIEnv *env, jclass class, jlong method)
{
    (void)env, (void)class;
    vkd_method_unload(pointer(method));
}

NATIVE(jint, methodCount)(JNIEnv *env, jclass class, jlong method, jboolean outputs)
{
    (void)env, (void)class;
    return (jint)(outputs ? vkd_method_output_count(pointer(method))
                          : vkd_method_input_count(pointer(method)));
}

NATIVE(jlongArray, methodInfo)
(JNIEnv *env, jclass class, jlong method, jboolean output, jint index)
{
    (void)class;
    vkd_tensor_info info;
    vkd_status status = output ? vkd_method_output_info(pointer(method), (size_t)index, &info)
                               : vkd_method_input_info(pointer(method), (size_t)index, &info);
    if (status != VKD_OK) {
        throw_status(env, status, vkd_method_error(pointer(method)));
        return NULL;
    }
    jlong values[3 + VKD_MAX_RANK] = {(jlong)info.dtype, (jlong)info.size, (jlong)info.rank};
    for (uint32_t i = 0; i < info.rank; i++)
        values[3 + i] = info.dims[i];
    jlongArray array = (*env)->NewLongArray(env, 3 + VKD_MAX_RANK);
    if (array)
        (*env)->SetLongArrayRegion(env, array, 0, 3 + VKD_MAX_RANK, values);
    return array;
}

/* One argument as Java has it; dims: VKD_MAX_RANK. */
static void read_arg(JNIEnv *env, jobjectArray buffers, jsize index, bool input, jint dtype,
                     jint rank, const jlong *dims, vkd_tensor_arg *out)
{
    jobject buffer = (*env)->GetObjectArrayElement(env, buffers, index);
    void *data = (*env)->GetDirectBufferAddress(env, buffer);
    *out = (vkd_tensor_arg){.size = sizeof *out,
                            .dtype = (vkd_dtype)dtype,
                            .rank = (uint32_t)rank,
                            .input = input ? data : NULL,
                            .output = input ? NULL : data,
                            .capacity = (size_t)(*env)->GetDirectBufferCapacity(env, buffer)};
    for (jint i = 0; i < rank; i++)
        out->dims[i] = dims[i];
    (*env)->DeleteLocalRef(env, buffer);
}

/* numbers: as many ints each for dtypes and ranks. */
static void execute(JNIEnv *env, vkd_method *method, jsize inputs, jsize count, const jint *dtypes,
                    jint *ranks, jlong *dims, jobjectArray buffers, vkd_tensor_arg *args)
{
    for (jsize i = 0; i < count; i++)
        read_arg(env, buffers, i, i < inputs, dtypes[i], ranks[i], dims + i * VKD_MAX_RANK,
                 &args[i]);
    size_t expected = vkd_method_input_count(method);
    if ((size_t)inputs != expected) {
        throw_status(env, VKD_INVALID_ARGUMENT, "the wrong number of inputs");
        return;
    }
    vkd_status status = vkd_method_execute(method, args, (size_t)count);
    if (status != VKD_OK) {
        throw_status(env, status, vkd_method_error(method));
        return;
    }
    for (jsize i = inputs; i < count; i++) {
        ranks[i] = (jint)args[i].rank;
        for (uint32_t k = 0; k < args[i].rank; k++)
            dims[i * VKD_MAX_RANK + (jsize)k] = args[i].dims[k];
    }
}

NATIVE(void, methodExecute)
(JNIEnv *env, jclass class, jlong method, jint inputs, jintArray dtypes, jintArray ranks,
 jlongArray dims, jobjectArray buffers)
{
    (void)class;
    jsize count = (*env)->GetArrayLength(env, buffers);
    vkd_tensor_arg *args = calloc((size_t)count + 1, sizeof *args);
    jint *kinds = (*env)->GetIntArrayElements(env, dtypes, NULL);
    jint *rank = kinds ? (*env)->GetIntArrayElements(env, ranks, NULL) : NULL;
    jlong *dim = rank ? (*env)->GetLongArrayElements(env, dims, NULL) : NULL;
    if (args && dim)
        execute(env, pointer(method), inputs, count, kinds, rank, dim, buffers, args);
    else
        throw_status(env, VKD_OUT_OF_MEMORY, "the arguments");
    if (dim)
        (*env)->ReleaseLongArrayElements(env, dims, dim, 0);
    if (rank)
        (*env)->ReleaseIntArrayElements(env, ranks, rank, 0);
    if (kinds)
        (*env)->ReleaseIntArrayElements(env, dtypes, kinds, JNI_ABORT);
    free(args);
}
