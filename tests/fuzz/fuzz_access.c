/* SPDX-License-Identifier: Apache-2.0
 *
 * The parsers of access files and of tokens against any bytes: what they take, they write in a way that they read as
 * the same; what they refuse leaves no secret behind. With libFuzzer (BELT_FUZZ) a fuzz target; else a program that
 * mutates valid texts.
 *
 *   fuzz_access [ROUNDS [SEED]]
 */
#include "proto/access.h"
#include "proto/token.h"

#include "tests/fuzz/edited.h"
#include "tests/fuzz/rounds.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct belt_access wiped;

static void file(const char *text, size_t len)
{
    static char again[BELT_ACCESS_BYTES];
    struct belt_access access, second;
    char error[128] = "";

    if (!belt_access_parse(&access, text, len, error, sizeof(error))) {
        if (!*error || memcmp(&access, &wiped, sizeof(wiped)) != 0)
            abort();
        return;
    }
    len = belt_access_format(&access, again, sizeof(again));
    if (len >= sizeof(again) || !belt_access_parse(&second, again, len, error, sizeof(error)) ||
        memcmp(&access, &second, sizeof(access)) != 0)
        abort();
}

static void token(const char *text)
{
    char again[BELT_TOKEN_TEXT];
    struct belt_access access;

    if (!belt_token_read(text, &access)) {
        if (memcmp(&access, &wiped, sizeof(wiped)) != 0)
            abort();
        return;
    }
    if (!belt_token_write(&access, again) || !strstr(text, again))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    file(text, size);
    token(text);
    free(text);
    return 0;
}

#ifndef BELT_FUZZ
static const char seed_text[] = "# ann\nname = ann\nrole = client\nbroker = tcp://head:7878 "
                                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\nworkers = tcp://head:7879 "
                                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\npublic = "
                                "_v79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA\nsecret = "
                                "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8\n";

static const char special[] = "=#;\n\r\t -_AZaz09:[]\x7f\xff";

int main(int argc, char **argv)
{
    struct rounds rounds = rounds_begin(argc, argv);
    struct edited edited = {argc > 2 ? strtoul(argv[2], NULL, 10) : 1, special, sizeof(special) - 1};
    struct belt_access access;
    char error[128], word[BELT_TOKEN_TEXT], text[BELT_TOKEN_TEXT];

    if (!belt_access_parse(&access, seed_text, sizeof(seed_text) - 1, error, sizeof(error)) ||
        !belt_token_write(&access, word))
        abort();
    while (rounds_next(&rounds)) {
        const char *from = rounds.done % 2 ? seed_text : word;
        size_t len = strlen(from);
        memcpy(text, from, len);
        LLVMFuzzerTestOneInput((const uint8_t *)text, edited_text(&edited, text, len));
    }
    return rounds_end(&rounds);
}
#endif
