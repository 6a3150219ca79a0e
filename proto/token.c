/* SPDX-License-Identifier: Apache-2.0
 *
 * See token.h.
 */
#include "proto/token.h"
#include "proto/base64url.h"
#include "proto/digest.h"

#include <stdio.h>
#include <string.h>

#define VERSION     1u
#define CHECK_BYTES 4u
#define TOKEN_BYTES ((BELT_TOKEN_TEXT - sizeof(BELT_TOKEN_PREFIX)) / 4u * 3u)
#define KEYS_BYTES  (1u + 2u * BELT_KEY_BYTES)
#define SCHEME      "tcp://"
#define SCHEME_LEN  (sizeof(SCHEME) - 1)
/* What an address is for. */
#define FOR_CLIENTS 0u
#define FOR_WORKERS 1u

static void check_of(const uint8_t *bytes, size_t len, uint8_t check[CHECK_BYTES])
{
    struct belt_digest digest = {{0}};
    belt_digest_add(&digest, bytes, len);
    memcpy(check, digest.bytes, CHECK_BYTES);
}

static bool put_address(uint8_t *bytes, size_t *len, const struct belt_access_broker *broker)
{
    size_t host = strlen(broker->address) - SCHEME_LEN;
    if (host > UINT8_MAX || *len + 2 + host > TOKEN_BYTES - CHECK_BYTES)
        return false;
    bytes[(*len)++] = broker->workers ? FOR_WORKERS : FOR_CLIENTS;
    bytes[(*len)++] = (uint8_t)host;
    memcpy(bytes + *len, broker->address + SCHEME_LEN, host);
    *len += host;
    return true;
}

bool belt_token_write(const struct belt_access *access, char text[BELT_TOKEN_TEXT])
{
    uint8_t bytes[TOKEN_BYTES];
    size_t len = KEYS_BYTES;
    bool fits = access->broker_count > 0;
    bytes[0] = VERSION;
    memcpy(bytes + 1, access->brokers[0].key, BELT_KEY_BYTES);
    memcpy(bytes + 1 + BELT_KEY_BYTES, access->secret_key, BELT_KEY_BYTES);
    for (uint32_t i = 0; fits && i < access->broker_count; i++)
        fits = put_address(bytes, &len, &access->brokers[i]);
    if (fits) {
        check_of(bytes, len, bytes + len);
        strcpy(text, BELT_TOKEN_PREFIX);
        base64url_write(text + strlen(text), bytes, len + CHECK_BYTES);
    }
    explicit_bzero(bytes, sizeof(bytes));
    return fits;
}

/* Takes one address off `bytes`. */
static bool get_address(const uint8_t *bytes, size_t len, size_t *at, struct belt_access *access)
{
    if (access->broker_count == BELT_ACCESS_BROKERS || len - *at < 3 || bytes[*at] > FOR_WORKERS)
        return false;
    struct belt_access_broker *broker = &access->brokers[access->broker_count++];
    size_t host = bytes[*at + 1];
    if (host == 0 || len - *at - 2 < host)
        return false;
    broker->workers = bytes[*at] == FOR_WORKERS;
    memcpy(broker->key, bytes + 1, BELT_KEY_BYTES);
    memcpy(broker->address, SCHEME, SCHEME_LEN);
    for (size_t i = 0; i < host; i++) {
        uint8_t c = bytes[*at + 2 + i];
        if (c <= ' ' || c > '~')
            return false;
        broker->address[SCHEME_LEN + i] = (char)c;
    }
    broker->address[SCHEME_LEN + host] = '\0';
    *at += 2 + host;
    return true;
}

static bool read_bytes(const uint8_t *bytes, size_t len, struct belt_access *access)
{
    uint8_t check[CHECK_BYTES];
    size_t at = KEYS_BYTES;
    if (len <= KEYS_BYTES + CHECK_BYTES || bytes[0] != VERSION)
        return false;
    len -= CHECK_BYTES;
    check_of(bytes, len, check);
    if (memcmp(check, bytes + len, CHECK_BYTES) != 0)
        return false;
    memcpy(access->secret_key, bytes + 1 + BELT_KEY_BYTES, BELT_KEY_BYTES);
    while (at < len)
        if (!get_address(bytes, len, &at, access))
            return false;
    return true;
}

bool belt_token_read(const char *text, struct belt_access *access)
{
    uint8_t bytes[TOKEN_BYTES];
    size_t len = 0;
    *access = (struct belt_access){.broker_count = 0};
    text += strspn(text, " \t\r\n");
    size_t text_len = strcspn(text, " \t\r\n");
    bool good = text[text_len + strspn(text + text_len, " \t\r\n")] == '\0' &&
                text_len > sizeof(BELT_TOKEN_PREFIX) - 1 &&
                memcmp(text, BELT_TOKEN_PREFIX, sizeof(BELT_TOKEN_PREFIX) - 1) == 0;
    if (good) {
        text += sizeof(BELT_TOKEN_PREFIX) - 1;
        text_len -= sizeof(BELT_TOKEN_PREFIX) - 1;
        good = base64url_read(text, text_len, bytes, sizeof(bytes), &len) && read_bytes(bytes, len, access);
    }
    explicit_bzero(bytes, sizeof(bytes));
    if (!good)
        belt_access_wipe(access);
    return good;
}
