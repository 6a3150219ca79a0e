/* SPDX-License-Identifier: Apache-2.0
 *
 * belt_stream_fd(): a call of the user's has changed what its descriptor has to tell.
 */
#ifndef BELT_CLIENT_STREAM_FD_H
#define BELT_CLIENT_STREAM_FD_H

#include "client/pool.h"

/** The truth about the descriptor after a call. */
void client_fd_refresh(struct belt_stream *stream);

#endif
