/* FAKE libedgetpu: a shared library that LiteRT loads as it loads the real one, for tests without a device.
 *
 * It exports what the real library exports (a TFLite external delegate and edgetpu_version,
 * edgetpu_list_devices, edgetpu_free_devices), takes over the operator edgetpu-custom-op, and has the
 * network inside a FAKE compiled file run by a second interpreter of the same Python process
 * (edgecnn.testing.fake_library.run_payload). A file that Google's compiler wrote it refuses.
 *
 * Declarations are written out because no Python wheel ships the C headers; only the fields up to the
 * last one used here stand in each struct. Build: cc -shared -fPIC -o libedgetpu.so.1 fake_libedgetpu.c
 *
 * As with the real one, a device belongs to one process at a time. The environment decides how it behaves:
 *   FAKE_EDGETPU_DEVICES        usb (default), none, or a list such as usb,usb,pci
 *   FAKE_EDGETPU_RUNTIME        the runtime version that it claims, 14 by default
 *   FAKE_EDGETPU_REFUSE         any text: opening a device fails without a reason, as the real one does
 *   FAKE_EDGETPU_CRASH          segfault: LiteRT gets the garbage that a library of 2021 leaves it;
 *                               unresolved: what LiteRT says when such garbage makes it take the kernel for none;
 *                               abort: a failed transfer ends the process; hang: the first invocation never ends
 *   FAKE_EDGETPU_UNPLUG_AFTER   N: after N invocations of a process a transfer fails, which ends the process as the
 *                               real library does, and every process finds the device gone while the file
 *                               LIBRARY.unplugged exists
 *   FAKE_EDGETPU_ERROR_AFTER    N: after N invocations of a process every further one fails, the device stays
 *   FAKE_EDGETPU_SLOW_FIRST_MS  N: the first invocation of a process takes so long, as uploading parameters does
 *   FAKE_EDGETPU_LOG            a file: one line for each device opened and each invocation, with the process number
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define OPERATOR "edgetpu-custom-op"
#define MAGIC "FAKE-EDGETPU-1\0\0"
#define MAGIC_BYTES 16
#define MAX_DEVICES 8

enum { kTfLiteOk = 0, kTfLiteError = 1 };
enum { kFlagAllowDynamicTensors = 1 };
enum { DEVICE_PCI = 0, DEVICE_USB = 1 };

typedef struct { int size; int data[]; } TfLiteIntArray;

typedef struct {
    int type;
    void *data;
    TfLiteIntArray *dims;
    struct { float scale; int32_t zero_point; } params;
    int allocation_type;
    size_t bytes;
    const void *allocation;
    const char *name;
    void *delegate;
    int buffer_handle;
    bool data_is_stale, is_variable;
    struct { int type; void *params; } quantization;
    void *sparsity;
    const TfLiteIntArray *dims_signature;
} TfLiteTensor;

typedef struct {
    TfLiteIntArray *inputs, *outputs, *intermediates, *temporaries;
    void *user_data, *builtin_data;
    const void *custom_initial_data;
    int custom_initial_data_size;
    void *delegate;
} TfLiteNode;

struct TfLiteContext;
struct TfLiteDelegate;

/* The last three came after TensorFlow 2.5. It is handed over by value, so who does not know them leaves there
 * whatever the stack holds: the reason why an old libedgetpu crashes a new runtime. */
typedef struct {
    void *(*init)(struct TfLiteContext *, const char *, size_t);
    void (*free)(struct TfLiteContext *, void *);
    int (*prepare)(struct TfLiteContext *, TfLiteNode *);
    int (*invoke)(struct TfLiteContext *, TfLiteNode *);
    const char *(*profiling_string)(const struct TfLiteContext *, const TfLiteNode *);
    int32_t builtin_code;
    const char *custom_name;
    int version;
    void *registration_external;
    void *async_kernel;
    uint64_t inplace_operator;
} TfLiteRegistration;

typedef struct TfLiteContext {
    size_t tensors_size;
    int (*GetExecutionPlan)(struct TfLiteContext *, TfLiteIntArray **);
    TfLiteTensor *tensors;
    void *impl;
    int (*ResizeTensor)(struct TfLiteContext *, TfLiteTensor *, TfLiteIntArray *);
    void (*ReportError)(struct TfLiteContext *, const char *, ...);
    int (*AddTensors)(struct TfLiteContext *, int, int *);
    int (*GetNodeAndRegistration)(struct TfLiteContext *, int, TfLiteNode **, TfLiteRegistration **);
    int (*ReplaceNodeSubsetsWithDelegateKernels)(
        struct TfLiteContext *, TfLiteRegistration, const TfLiteIntArray *, struct TfLiteDelegate *);
} TfLiteContext;

typedef struct TfLiteDelegate {
    void *data;
    int (*Prepare)(TfLiteContext *, struct TfLiteDelegate *);
    void *CopyFromBufferHandle, *CopyToBufferHandle, *FreeBufferHandle;
    int64_t flags;
    void *opaque_delegate_builder;
} TfLiteDelegate;

typedef struct { TfLiteDelegate *delegate; TfLiteIntArray *nodes_to_replace; } TfLiteDelegateParams;
typedef struct { const unsigned char *data; size_t num_bytes; } Payload;
struct edgetpu_device { int type; const char *path; };

static long num_invocations;
static int device_lock = -1, num_delegates; /* one process has the device, for all its delegates */

static bool is_set(const char *name, const char *value) {
    const char *found = getenv(name);
    return found && (value ? strcmp(found, value) == 0 : *found != 0);
}

static long number_of(const char *name, long otherwise) {
    const char *found = getenv(name);
    return found && *found ? strtol(found, NULL, 10) : otherwise;
}

static void log_event(const char *event, const char *about) {
    const char *path = getenv("FAKE_EDGETPU_LOG");
    FILE *log = path ? fopen(path, "a") : NULL;
    if (!log) return;
    fprintf(log, "%s %s %ld\n", event, about, (long)getpid());
    fclose(log);
}

static void sleep_ms(long ms) {
    struct timespec pause = {ms / 1000, (ms % 1000) * 1000000L};
    if (ms > 0) nanosleep(&pause, NULL);
}

static const char *file_beside(const char *suffix) {
    static char path[4096];
    Dl_info place;
    if (dladdr(&num_invocations, &place)) snprintf(path, sizeof path, "%s%s", place.dli_fname, suffix);
    return path;
}

static const char *unplugged_file(void) { return file_beside(".unplugged"); }

static bool take_device(void) {
    if (num_delegates == 0) {
        device_lock = open(file_beside(".in_use"), O_CREAT | O_RDWR, 0666);
        if (device_lock < 0) return false;
        if (flock(device_lock, LOCK_EX | LOCK_NB) != 0) return close(device_lock), false;
    }
    num_delegates++;
    return true;
}

static void leave_device(void) {
    if (--num_delegates == 0) close(device_lock);
}

static bool is_unplugged(void) { return access(unplugged_file(), F_OK) == 0; }

static void fail_transfer(void) {
    fprintf(stderr, "F FAKE usb_driver.cc] transfer on tag 1 failed. Abort. Deadline exceeded: USB transfer error\n");
    abort();
}

/* Runs one line of Python in this process, whichever thread calls; 0 if it raised nothing. */
static int run_python(const char *line) {
    int (*ensure)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "PyGILState_Ensure");
    void (*release)(int) = (void (*)(int))dlsym(RTLD_DEFAULT, "PyGILState_Release");
    int (*run)(const char *, void *) = (int (*)(const char *, void *))dlsym(RTLD_DEFAULT, "PyRun_SimpleStringFlags");
    if (!ensure || !release || !run) return -1;
    int state = ensure();
    int failed = run(line, NULL);
    release(state);
    return failed;
}

static void *kernel_init(TfLiteContext *context, const char *buffer, size_t length) {
    (void)length;
    const TfLiteDelegateParams *params = (const TfLiteDelegateParams *)buffer;
    TfLiteNode *node;
    TfLiteRegistration *registration;
    int index = params->nodes_to_replace->data[0];
    if (context->GetNodeAndRegistration(context, index, &node, &registration) != kTfLiteOk) return NULL;
    Payload *payload = calloc(1, sizeof *payload);
    if (payload && node->custom_initial_data_size > MAGIC_BYTES &&
        memcmp(node->custom_initial_data, MAGIC, MAGIC_BYTES) == 0) {
        payload->data = (const unsigned char *)node->custom_initial_data + MAGIC_BYTES;
        payload->num_bytes = (size_t)node->custom_initial_data_size - MAGIC_BYTES;
    }
    return payload;
}

static void kernel_free(TfLiteContext *context, void *buffer) {
    (void)context;
    free(buffer);
}

static int kernel_prepare(TfLiteContext *context, TfLiteNode *node) {
    Payload *payload = node->user_data;
    if (is_set("FAKE_EDGETPU_CRASH", "unresolved")) {
        context->ReportError(context, "Encountered an unresolved custom op. Did you miss a custom op or delegate?");
        return kTfLiteError;
    }
    if (payload && payload->data && node->inputs->size == 1 && node->outputs->size == 1) return kTfLiteOk;
    context->ReportError(context, "FAKE libedgetpu runs only what edgecnn's FAKE compiler wrote");
    return kTfLiteError;
}

static int kernel_invoke(TfLiteContext *context, TfLiteNode *node) {
    Payload *payload = node->user_data;
    TfLiteTensor *input = &context->tensors[node->inputs->data[0]];
    TfLiteTensor *output = &context->tensors[node->outputs->data[0]];
    num_invocations++;
    log_event("invoke", "FAKE");
    if (is_set("FAKE_EDGETPU_CRASH", "abort")) fail_transfer();
    if (is_set("FAKE_EDGETPU_CRASH", "hang")) sleep_ms(600000);
    long limit = number_of("FAKE_EDGETPU_UNPLUG_AFTER", -1);
    if (limit >= 0 && num_invocations > limit) {
        FILE *mark = fopen(unplugged_file(), "w");
        if (mark) fclose(mark);
        fail_transfer();
    }
    limit = number_of("FAKE_EDGETPU_ERROR_AFTER", -1);
    if (limit >= 0 && num_invocations > limit) {
        context->ReportError(context, "Failed to execute request. FAKE: USB transfer error 1 [LibUsbDataInCallback]");
        return kTfLiteError;
    }
    if (num_invocations == 1) sleep_ms(number_of("FAKE_EDGETPU_SLOW_FIRST_MS", 0));
    char line[512];
    snprintf(line, sizeof line,
             "__import__('edgecnn.testing.fake_library', fromlist=['run_payload']).run_payload(%ju, %zu, %ju, %zu, %ju, %zu)",
             (uintmax_t)(uintptr_t)payload->data, payload->num_bytes, (uintmax_t)(uintptr_t)input->data, input->bytes,
             (uintmax_t)(uintptr_t)output->data, output->bytes);
    if (run_python(line) == 0) return kTfLiteOk;
    context->ReportError(context, "FAKE: the payload could not be run");
    return kTfLiteError;
}

static int delegate_prepare(TfLiteContext *context, TfLiteDelegate *delegate) {
    TfLiteIntArray *plan, *nodes;
    if (context->GetExecutionPlan(context, &plan) != kTfLiteOk) return kTfLiteError;
    int num_nodes = plan->size, indices[num_nodes > 0 ? num_nodes : 1];
    memcpy(indices, plan->data, sizeof(int) * (size_t)num_nodes); /* each replacement rewrites the plan */
    TfLiteRegistration kernel = {0};
    kernel.init = kernel_init, kernel.free = kernel_free;
    kernel.prepare = kernel_prepare, kernel.invoke = kernel_invoke;
    kernel.custom_name = "FAKE EdgeTpuDelegateForCustomOp", kernel.version = 1;
    if (is_set("FAKE_EDGETPU_CRASH", "segfault"))
        memset(&kernel.registration_external, 0x41, sizeof kernel - offsetof(TfLiteRegistration, registration_external));
    if (!(nodes = malloc(sizeof(TfLiteIntArray) + sizeof(int)))) return kTfLiteError;
    nodes->size = 1;
    for (int number = 0; number < num_nodes; number++) {
        TfLiteNode *node;
        TfLiteRegistration *registration;
        if (context->GetNodeAndRegistration(context, indices[number], &node, &registration) != kTfLiteOk) continue;
        if (!registration->custom_name || strcmp(registration->custom_name, OPERATOR) != 0) continue;
        nodes->data[0] = indices[number];
        context->ReplaceNodeSubsetsWithDelegateKernels(context, kernel, nodes, delegate);
    }
    free(nodes);
    return kTfLiteOk;
}

const char *edgetpu_version(void) {
    static char version[80];
    snprintf(version, sizeof version, "FAKE libedgetpu for tests, RuntimeVersion(%ld)", number_of("FAKE_EDGETPU_RUNTIME", 14));
    return version;
}

struct edgetpu_device *edgetpu_list_devices(size_t *num_devices) {
    static const char *paths[2][MAX_DEVICES] = {
        {"FAKE/dev/apex_0", "FAKE/dev/apex_1", "FAKE/dev/apex_2", "FAKE/dev/apex_3"},
        {"FAKE/usb/1-1", "FAKE/usb/1-2", "FAKE/usb/1-3", "FAKE/usb/1-4"},
    };
    const char *listed = getenv("FAKE_EDGETPU_DEVICES");
    int num_of_type[2] = {0, 0};
    struct edgetpu_device *devices = calloc(MAX_DEVICES, sizeof *devices);
    *num_devices = 0;
    for (const char *at = listed ? listed : "usb"; devices && *at && !is_unplugged(); at += strcspn(at, ",")) {
        at += *at == ',';
        int type = strncmp(at, "usb", 3) == 0 ? DEVICE_USB : strncmp(at, "pci", 3) == 0 ? DEVICE_PCI : -1;
        if (type < 0 || num_of_type[type] == MAX_DEVICES / 2) break;
        devices[*num_devices].type = type;
        devices[(*num_devices)++].path = paths[type][num_of_type[type]++];
    }
    if (*num_devices) return devices;
    free(devices);
    return NULL;
}

void edgetpu_free_devices(struct edgetpu_device *devices) { free(devices); }

TfLiteDelegate *tflite_plugin_create_delegate(
    char **keys, char **values, size_t num_options, void (*report_error)(const char *)) {
    (void)report_error; /* the real one gives no reason, either */
    const char *device = "any";
    for (size_t index = 0; index < num_options; index++)
        if (strcmp(keys[index], "device") == 0) device = values[index];
    log_event("open", device);
    size_t num_devices;
    struct edgetpu_device *devices = edgetpu_list_devices(&num_devices);
    edgetpu_free_devices(devices);
    if (!num_devices || is_set("FAKE_EDGETPU_REFUSE", NULL) || !take_device()) return NULL;
    TfLiteDelegate *delegate = calloc(1, sizeof *delegate);
    if (!delegate) return NULL;
    delegate->Prepare = delegate_prepare;
    delegate->flags = kFlagAllowDynamicTensors;
    return delegate;
}

void tflite_plugin_destroy_delegate(TfLiteDelegate *delegate) {
    if (delegate) leave_device();
    free(delegate);
}
