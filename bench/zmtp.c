/* SPDX-License-Identifier: Apache-2.0
 *
 * The ZeroMQ wire by hand (zmtp.h): https://rfc.zeromq.org/spec/23
 */
#include "bench/zmtp.h"
#include "bench/measure.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GREETING   64u
#define READ_BYTES ((size_t)1 << 20)
#define FRAME_MAX  ((uint64_t)64 << 20)
enum { FLAG_MORE = 1, FLAG_LONG = 2, FLAG_COMMAND = 4 };

static void queue(struct zmtp *zmtp, const void *data, size_t len)
{
    if (zmtp->out_len + len > zmtp->out_room) {
        zmtp->out_room = (zmtp->out_len + len) * 2;
        zmtp->out = realloc(zmtp->out, zmtp->out_room);
        if (!zmtp->out)
            measure_die("memory");
    }
    memcpy(zmtp->out + zmtp->out_len, data, len);
    zmtp->out_len += len;
}

static void queue_frame(struct zmtp *zmtp, uint8_t flags, const void *data, size_t len)
{
    uint8_t head[9] = {flags, (uint8_t)len};
    uint64_t wide = htobe64(len);

    if (len > 255) {
        head[0] |= FLAG_LONG;
        memcpy(head + 1, &wide, sizeof(wide));
    }
    queue(zmtp, head, len > 255 ? 9 : 2);
    queue(zmtp, data, len);
}

void zmtp_connect(struct zmtp *zmtp, uint16_t port)
{
    static const char ready[] = "\x05READY\x0bSocket-Type\0\0\0\x06"
                                "DEALER\x08Identity\0\0\0\0";
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    uint8_t greeting[GREETING] = {0xff, [9] = 0x7f, [10] = 3, [12] = 'N', 'U', 'L', 'L'};
    int one = 1;

    *zmtp = (struct zmtp){.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (zmtp->fd < 0 || (connect(zmtp->fd, (struct sockaddr *)&address, sizeof(address)) != 0 && errno != EINPROGRESS))
        measure_die("connect");
    setsockopt(zmtp->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    queue(zmtp, greeting, sizeof(greeting));
    queue_frame(zmtp, FLAG_COMMAND, ready, sizeof(ready) - 1);
}

void zmtp_close(struct zmtp *zmtp)
{
    close(zmtp->fd);
    free(zmtp->in);
    free(zmtp->out);
    belt_frames_clear(&zmtp->frames);
    *zmtp = (struct zmtp){.fd = -1};
}

static void on_command(struct zmtp *zmtp, const uint8_t *data, size_t len, zmtp_receiver *receiver, void *ctx)
{
    static const struct belt_frames nothing;
    uint8_t pong[5 + 16] = "\x04PONG";

    if (len >= 6 && !memcmp(data, "\x05READY", 6)) {
        zmtp->open = true;
        receiver(ctx, &nothing);
    } else if (len >= 7 && len <= 7 + 16 && !memcmp(data, "\x04PING", 5)) {
        memcpy(pong + 5, data + 7, len - 7); /* its context, behind the time to live */
        queue_frame(zmtp, FLAG_COMMAND, pong, len - 2);
    }
}

static void on_frame(struct zmtp *zmtp, uint8_t flags, const uint8_t *data, size_t len, zmtp_receiver *receiver,
                     void *ctx)
{
    if (flags & FLAG_COMMAND) {
        on_command(zmtp, data, len, receiver, ctx);
        return;
    }
    struct belt_buf *buf = belt_buf_copy(data, len);
    if (!buf || zmtp->frames.count == BELT_MAX_FRAMES)
        measure_die("a message is too large");
    zmtp->frames.frame[zmtp->frames.count++] = buf;
    if (flags & FLAG_MORE)
        return;
    receiver(ctx, &zmtp->frames);
    belt_frames_clear(&zmtp->frames);
}

/* Returns how many bytes were whole frames. */
static size_t parse(struct zmtp *zmtp, const uint8_t *data, size_t len, zmtp_receiver *receiver, void *ctx)
{
    size_t at = 0;

    if (!zmtp->greeted && len >= GREETING) {
        zmtp->greeted = true;
        at = GREETING;
    }
    while (zmtp->greeted && len - at >= 2) {
        size_t head = data[at] & FLAG_LONG ? 9 : 2;
        uint64_t size = data[at + 1];
        if (len - at < head)
            break;
        if (head == 9) {
            memcpy(&size, data + at + 1, sizeof(size));
            size = be64toh(size);
        }
        if (size > FRAME_MAX)
            measure_die("a frame is too large");
        if (len - at - head < size)
            break;
        on_frame(zmtp, data[at], data + at + head, size, receiver, ctx);
        at += head + size;
    }
    return at;
}

static void keep(struct zmtp *zmtp, const uint8_t *data, size_t len)
{
    free(zmtp->in);
    zmtp->in = len ? malloc(len) : NULL;
    zmtp->in_len = len;
    if (len && !zmtp->in)
        measure_die("memory");
    if (len)
        memcpy(zmtp->in, data, len);
}

bool zmtp_read(struct zmtp *zmtp, zmtp_receiver *receiver, void *ctx)
{
    static uint8_t *buffer; /* of all connections: what is left over is theirs */
    static size_t room;
    size_t have = zmtp->in_len;

    if (room < have + READ_BYTES && !(buffer = realloc(buffer, room = have + READ_BYTES)))
        measure_die("memory");
    if (have)
        memcpy(buffer, zmtp->in, have);
    ssize_t got = read(zmtp->fd, buffer + have, READ_BYTES);
    if (got <= 0)
        return got < 0 && (errno == EAGAIN || errno == EINTR);
    size_t done = parse(zmtp, buffer, have + (size_t)got, receiver, ctx);
    keep(zmtp, buffer + done, have + (size_t)got - done);
    return true;
}

void zmtp_send(struct zmtp *zmtp, struct belt_frames *frames)
{
    for (uint32_t i = 0; i < frames->count; i++)
        queue_frame(zmtp, i + 1 < frames->count ? FLAG_MORE : 0, frames->frame[i]->data, frames->frame[i]->len);
    belt_frames_clear(frames);
}

bool zmtp_flush(struct zmtp *zmtp)
{
    while (zmtp->out_at < zmtp->out_len) {
        ssize_t put = send(zmtp->fd, zmtp->out + zmtp->out_at, zmtp->out_len - zmtp->out_at, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return errno != EAGAIN && errno != ENOTCONN; /* a closed one is told by the next read */
        zmtp->out_at += (size_t)put;
    }
    free(zmtp->out);
    zmtp->out = NULL;
    zmtp->out_at = zmtp->out_len = zmtp->out_room = 0;
    return true;
}
