/* SPDX-License-Identifier: Apache-2.0
 *
 * The reason of the last failure, one sentence for each thread: what belt_error_text() says.
 */
#ifndef BELT_PROTO_ERROR_H
#define BELT_PROTO_ERROR_H

/** Keeps the sentence, cut to what there is room for, and returns `code`. */
int belt_error_set(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/** The sentence that was kept last in this thread. */
const char *belt_error_last(void);

#endif
