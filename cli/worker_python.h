/* SPDX-License-Identifier: Apache-2.0
 *
 * `belt worker --python`: the process becomes `python3 -m belt worker`.
 */
#ifndef BELT_CLI_WORKER_PYTHON_H
#define BELT_CLI_WORKER_PYTHON_H

struct worker_values;

/** Returns only without --python (EXIT_OK), or when it cannot be done: an exit code; it has said why. */
int worker_python(const struct worker_values *values);

#endif
