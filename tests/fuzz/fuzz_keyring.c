/* SPDX-License-Identifier: Apache-2.0
 *
 * The parser of allow-lists against any bytes. What it takes from a line, its writer writes in a way that it takes
 * again; what a key may do never grows by that; an edit changes one line. With libFuzzer (BELT_FUZZ) a fuzz target;
 * else a program that mutates a valid list.
 *
 *   fuzz_keyring [ROUNDS [SEED]]
 */
#include "broker/keyring.h"

#include "tests/fuzz/edited.h"
#include "tests/fuzz/rounds.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const struct keyring_key *key)
{
    char line[KEYRING_LINE + 1];
    size_t len = keyring_line(key, line, sizeof(line));

    if (len >= sizeof(line))
        abort();
    struct keyring *again = keyring_read(line, len);
    const struct keyring_key *found = again ? keyring_find(again, key->identity.credential) : NULL;
    if (!found || again->faults || found->token != key->token || found->grants != key->grants ||
        found->uses != key->uses || strcmp(found->by, key->by) != 0 ||
        memcmp(&found->identity, &key->identity, sizeof(found->identity)) != 0)
        abort();
    keyring_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct keyring *keyring = keyring_read((const char *)data, size);
    uint32_t count = 0;

    if (!keyring)
        return 0;
    for (struct keyring_key *key = keyring->by_key; key; key = key->by_key.next) {
        if ((key->token && key->identity.roles) || !*key->identity.owner ||
            keyring_named(keyring, key->identity.name) != key)
            abort();
        same(key);
        count++;
    }
    if (count != keyring->count || (keyring->faults && !*keyring->fault))
        abort();
    if (count) { /* without its line a key is gone, and all others stay */
        size_t len = 0;
        char *text = keyring_edit((const char *)data, size, keyring->by_key->line, NULL, &len);
        struct keyring *less = keyring_read(text, len);
        if (!less || keyring_find(less, keyring->by_key->identity.credential)) {
            if (keyring->faults == 0) /* else a faulty line of the same key may take its place */
                abort();
        } else if (keyring->faults == 0 && less->count + 1 != count)
            abort();
        keyring_free(less);
        free(text);
    }
    keyring_free(keyring);
    return 0;
}

#ifndef BELT_FUZZ
static const char seed_text[] =
    "# all of them\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 ann client\n"
    "_v79_Pv6-fj39vX08_Lx8O_u7ezr6uno5-bl5OPi4eA node-7 worker,client owner=ann expires=2027-01-31T22:30:00Z "
    "connections=8 jobs=100 waiting-bytes=64M kept-bytes=3 by=spring\n\n"
    "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8 spring join grants=worker uses=20 expires=2026-12-01T00:00:00Z";

static const char special[] = "=#,\n\r\t -_AZaz09:TkMG\x7f\xff";

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
