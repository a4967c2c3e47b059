/*
 * inject_image: libstrandline.so, as it is sent: inject_image() of inject.h
 * marks it as such, so that it does nothing before it is entered.
 */
#ifndef STRANDLINE_ATTACH_INJECT_IMAGE_H
#define STRANDLINE_ATTACH_INJECT_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "profiler/attach/module.h"
#include "profiler/attach/static_tls.h"

struct buf;

/* Where it is entered, from the image's beginning. */
uint64_t inject_image_entry(const struct buf *image);

/* The thread-local memory that it needs. */
struct static_tls_need inject_image_tls(const struct buf *image);

/* Of which build it is; the size, 0: it does not say. */
size_t inject_image_build_id(const struct buf *image,
			     uint8_t id[MODULE_BUILD_ID_MAX]);

#endif
