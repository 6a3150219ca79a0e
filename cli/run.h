/* SPDX-License-Identifier: Apache-2.0
 *
 * What main.c calls: one function per command. Each returns an exit code.
 */
#ifndef BELT_CLI_RUN_H
#define BELT_CLI_RUN_H

#include "cli/commands.h"

int run_map(const struct options *options);
int run_submit(const struct options *options);
int run_results(const struct options *options);
int run_broker(const struct options *options);
int run_worker(const struct options *options);
int run_show(const struct options *options); /* status, workers, jobs */
int run_cancel(const struct options *options);
int run_forget(const struct options *options);
int run_wait(const struct options *options);
int run_ping(const struct options *options);
int run_readers(const struct options *options);
int run_failed(const struct options *options);
int run_retry(const struct options *options);
int run_store(const struct options *options);
int run_keys(const struct options *options);
int run_bench(const struct options *options);

#endif
