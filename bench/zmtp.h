/* SPDX-License-Identifier: Apache-2.0
 *
 * A DEALER in a few hundred bytes: the ZeroMQ wire (ZMTP 3.0, no security) over one non-blocking TCP connection. A
 * socket of libzmq takes two descriptors and tens of kilobytes; ten thousand simulated peers have neither. Does not
 * reconnect.
 */
#ifndef BELT_BENCH_ZMTP_H
#define BELT_BENCH_ZMTP_H

#include "proto/codec.h"

struct zmtp {
    int fd;
    bool open;    /* both sides have greeted: messages may go */
    bool greeted; /* the other side's greeting was read */
    bool more;    /* its last frame was not the last of its message */
    uint8_t *in;  /* what came and is no whole frame yet */
    uint8_t *out; /* what did not go yet, from `out_at` */
    size_t in_len, out_at, out_len, out_room;
    struct belt_frames frames; /* of the message that is coming */
};

/** Begins to connect to tcp://127.0.0.1:`port`. Ends the program when that is impossible. */
void zmtp_connect(struct zmtp *zmtp, uint16_t port);
void zmtp_close(struct zmtp *zmtp);

/** Called with each message that has come, and once without when `zmtp->open` became true. Borrows the frames. */
typedef void zmtp_receiver(void *ctx, const struct belt_frames *frames);

/** Reads what is there. False: the other side has closed. */
bool zmtp_read(struct zmtp *zmtp, zmtp_receiver *receiver, void *ctx);

/** Queues a message; takes the references. */
void zmtp_send(struct zmtp *zmtp, struct belt_frames *frames);

/** Writes what is queued, as far as the socket takes it. True: all of it. */
bool zmtp_flush(struct zmtp *zmtp);

#endif
