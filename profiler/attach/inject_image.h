/*
 * inject_image: libstrandline.so, as it is sent: inject_image() of inject.h
 * marks it as such, so that it does nothing before it is entered.
 */
#ifndef STRANDLINE_ATTACH_INJECT_IMAGE_H
#define STRANDLINE_ATTACH_INJECT_IMAGE_H

#include <stdint.h>

struct buf;

/* Where it is entered, from the image's beginning. */
uint64_t inject_image_entry(const struct buf *image);

#endif
