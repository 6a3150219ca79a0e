/* SPDX-License-Identifier: Apache-2.0
 *
 * `belt broker`.
 */
#include "broker/broker.h"
#include "broker/zap.h"

#include "cli/endpoint.h"
#include "cli/exit.h"
#include "cli/run.h"
#include "cli/say.h"

#include "proto/limits.h"

#include <belt/codes.h>

#define CLIENTS_DEFAULT "tcp://127.0.0.1:7878"
#define WORKERS_DEFAULT "tcp://127.0.0.1:7879"

static int refuse(const char *text)
{
    say("%s; see 'belt help broker'", text);
    return EXIT_USAGE;
}

static int check(const struct broker_command_values *values)
{
    if (values->max_payload > BELT_MAX_PAYLOAD_CEILING)
        return refuse("--max-payload is over 1 GiB, the most the protocol carries");
    if (values->heartbeat > UINT32_MAX || values->lease > UINT32_MAX)
        return refuse("--heartbeat and --lease are days at the most");
    if ((values->lease ? values->lease : BELT_LEASE_MS) <= (values->heartbeat ? values->heartbeat : BELT_HEARTBEAT_MS))
        return refuse("--lease must be longer than --heartbeat, better by four times");
    return EXIT_OK;
}

int run_broker(const struct options *options)
{
    const struct broker_command_values *values = options->values;
    struct belt_broker_options broker = {.name = values->name,
                                         .insecure_plaintext = values->insecure_plaintext != 0,
                                         .max_payload = (uint32_t)values->max_payload,
                                         .memory_budget = values->memory_budget,
                                         .heartbeat_ms = (uint32_t)values->heartbeat,
                                         .lease_ms = (uint32_t)values->lease,
                                         .grace_ms = values->grace ? values->grace : 1, /* 0: the default */
                                         .drain_ms = values->drain ? values->drain : 1,
                                         .admission = &broker_zap,
                                         .state = values->state,
                                         .keep_ms = values->keep,
                                         .max_peers = (uint32_t)values->max_peers,
                                         .admin = values->admin,
                                         .keep_max_ms = values->keep_max,
                                         .max_failed = (uint32_t)values->failed_count,
                                         .failed_bytes = values->failed_bytes,
                                         .history_ms = values->history ? values->history : 1,
                                         .trace = values->trace != 0,
                                         .quiet = values->quiet != 0,
                                         .ready_fd = (int)values->ready_fd};
    char clients[ENDPOINT_MAX], workers[ENDPOINT_MAX], error[BELT_MAX_TEXT] = "";
    int code, rc;

    if (options->word_count || options->dashes || options->colons)
        return refuse("'broker' takes no words");
    rc = check(values);
    if (rc)
        return rc;
    if (!endpoint_normal(values->clients ? values->clients : CLIENTS_DEFAULT, ENDPOINT_CLIENTS_PORT, clients) ||
        !endpoint_normal(values->workers ? values->workers : WORKERS_DEFAULT, ENDPOINT_WORKERS_PORT, workers))
        return refuse("an address is not valid");
    broker.clients = clients;
    broker.workers = workers;
    code = belt_broker_run(&broker, error, sizeof(error));
    if (code == BELT_OK)
        return EXIT_OK;
    say("%s", *error ? error : "failed without a reason");
    return exit_of_code(code);
}
