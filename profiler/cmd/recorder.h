/*
 * recorder: libstrandline.so, as it is sent into running processes.
 */
#ifndef STRANDLINE_CMD_RECORDER_H
#define STRANDLINE_CMD_RECORDER_H

struct buf;
struct err;

int recorder_read(struct buf *image, struct err *err);

#endif
