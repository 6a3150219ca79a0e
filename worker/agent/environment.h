/* SPDX-License-Identifier: Apache-2.0
 *
 * Which variables of the worker a command from the network gets. Pure.
 */
#ifndef BELT_WORKER_AGENT_ENVIRONMENT_H
#define BELT_WORKER_AGENT_ENVIRONMENT_H

#include <stdbool.h>
#include <stdint.h>

/** Whether `variable` (NAME=VALUE) says who runs the command, where and in which language, or is one of the `count`
 * names of `keep`. All others may be secrets of the worker. */
bool environment_passes(const char *variable, const char *const *keep, uint32_t count);

#endif
