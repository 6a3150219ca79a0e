/* SPDX-License-Identifier: Apache-2.0
 *
 * `belt worker --python`: the process becomes `python3 -m belt worker`.
 */
#ifndef BELT_CLI_WORKER_PYTHON_H
#define BELT_CLI_WORKER_PYTHON_H

struct worker_values;

/** Whether the options go together: EXIT_OK, or an exit code; it has said why. */
int worker_python_check(const struct worker_values *values);
/** Becomes that program. Returns only when it cannot: an exit code; it has said why. */
int worker_python_run(const struct worker_values *values);

#endif
