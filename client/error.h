/* SPDX-License-Identifier: Apache-2.0
 *
 * What belt_error_text() says: one sentence per thread.
 */
#ifndef BELT_CLIENT_ERROR_H
#define BELT_CLIENT_ERROR_H

/** Keeps the sentence and returns `code`. */
int client_error(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
