/* SPDX-License-Identifier: Apache-2.0
 *
 * A stream's mail from the user's side: what the I/O thread is told, and the waiting for what it tells.
 */
#ifndef BELT_CLIENT_MAIL_H
#define BELT_CLIENT_MAIL_H

#include "client/pool.h"

/** Under the mail's lock: what was taken, and whether the input has ended. */
void client_mail_tell(struct belt_stream *stream);
/** Something was put into the mail: it will be looked into, at once if it is `urgent`. */
void client_mail_kick(struct belt_stream *stream, bool urgent);
/** With the mail's lock: sleeps until something is told or `deadline`; false when it has passed. A signal handler that
 * has run meanwhile ends the call when the pool says so. */
bool client_stream_wait(struct belt_stream *stream, uint64_t deadline);
/** Whether the call is to end: belt_stream_interrupt(), or a signal in this thread. */
bool client_stream_stops(const struct belt_stream *stream);
/** A call that waits begins: earlier signals do not count. */
void client_stream_begins(void);
/** Wakes a thread that sleeps in a call of this stream, for it to look again. */
void client_mail_stir(struct belt_stream *stream);
/** After a sleep of this thread: a signal handler that has run ends its call when the pool says so. */
void client_stream_note_signal(const struct belt_stream *stream);
/** INTERRUPTED once after an interruption, else BELT_OK. */
int client_stream_interrupted(struct belt_stream *stream);
/** Lets the I/O thread know what was taken and drawn: at once, or when it is enough or the last. */
void client_settle(struct belt_stream *stream, bool now);
/** Results that count as taken, and their payload bytes. */
uint64_t client_taken(const struct belt_stream *stream, uint64_t *bytes);
/** Makes the descriptor tell the truth. Under the mail's lock. */
void client_fd_update(struct belt_stream *stream);
/** More could be drawn if the broker granted bytes, and not before. */
bool client_waits_for_grant(const struct belt_stream *stream);
/** With the mail's lock: what of the tasks that the broker has was compared. */
void client_follow_comparison(struct belt_stream *stream);
/** With the mail's lock: others have read the job before us, or fed it, so the window begins behind that. True: it may
 * have opened. */
bool client_follow_start(struct belt_stream *stream);
/** CLOSED, with its text. */
int client_refuse_closed(void);

#endif
