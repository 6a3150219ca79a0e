/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration parser, and what reads its entries, against any bytes.
 * With libFuzzer (BELT_FUZZ) a fuzz target; else a program that mutates a valid
 * file for a fixed number of rounds from a seed.
 *
 *   fuzz_config [ROUNDS [SEED]]
 */
#include "cli/commands.h"

#include "tests/fuzz/edited.h"
#include "tests/fuzz/rounds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void apply(const struct config *config)
{
    static char name[] = "map";
    char *argv[] = {name, NULL}, *environment[] = {NULL};
    struct options options;

    if (options_flags(&options, commands_all[COMMAND_MAP], 1, argv) == 0)
        options_apply(&options, commands_all, config, "fuzz.conf", environment);
    options_free(&options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config;
    char error[128] = "";

    if (config_parse(&config, (const char *)data, size, error, sizeof(error))) {
        if (!*error || config.entries)
            abort();
        return 0;
    }
    for (uint32_t i = 0; i < config.count; i++)
        if (!*config.entries[i].key || strchr(config.entries[i].value, '\n') || config.entries[i].line == 0)
            abort();
    apply(&config);
    config_free(&config);
    return 0;
}

#ifndef BELT_FUZZ
static const char seed_text[] =
    "# all of it\nbroker = tcp://queen:7878\nconnect-timeout = 5s\n[map]\nslots = 4\nunordered = yes\n"
    "chunksize = auto\nhalt = soon,fail=10%\nmax-input=16M\npriority = -5\nkeep-going = true\n[worker]\n"
    "coproc = chess=python3 slot.py\ncoproc = other\n; end\n[broker]\nlease = 5";

static const char special[] = "=[]#;\n\r\t -.%\0\xff"
                              "9";

int main(int argc, char **argv)
{
    struct rounds rounds = rounds_begin(argc, argv);
    struct edited edited = {argc > 2 ? strtoul(argv[2], NULL, 10) : 1, special, sizeof(special) - 1};
    char text[sizeof(seed_text)];

    while (rounds_next(&rounds)) {
        memcpy(text, seed_text, sizeof(seed_text));
        LLVMFuzzerTestOneInput((const uint8_t *)text, edited_text(&edited, text, sizeof(seed_text) - 1));
    }
    return rounds_end(&rounds);
}
#endif
