/* Preloaded into a program, it asks drivers for PAD_ROWS bytes between the rows of pictures, as some cameras have them. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdlib.h>

int ioctl(int descriptor, unsigned long request, ...) {
    static int (*real)(int, unsigned long, void *);
    va_list arguments;
    va_start(arguments, request);
    struct v4l2_format *format = va_arg(arguments, void *);
    va_end(arguments);
    if (!real) real = dlsym(RTLD_NEXT, "ioctl");
    if (request == VIDIOC_S_FMT && format->type == V4L2_BUF_TYPE_VIDEO_CAPTURE && getenv("PAD_ROWS")) {
        struct v4l2_format plain = *format;
        real(descriptor, VIDIOC_TRY_FMT, &plain);
        format->fmt.pix.bytesperline = plain.fmt.pix.bytesperline + atoi(getenv("PAD_ROWS"));
    }
    return real(descriptor, request, format);
}
