/* SPDX-License-Identifier: Apache-2.0
 *
 * See keyring.h.
 */
#include "broker/keyring.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DAY_S     86400u
#define ROLES_MAX 64u

struct word {
    const char *at;
    size_t len;
};

/* ---- roles and times ---- */

static const struct {
    const char *name;
    uint8_t bit;
} role_names[] = {
#define ROLE(text, role) {text, role},
    BELT_IDENTITY_ROLES(ROLE)
#undef ROLE
};

#define ROLE_COUNT (sizeof(role_names) / sizeof(role_names[0]))

static bool is(struct word word, const char *text)
{
    return word.len == strlen(text) && memcmp(word.at, text, word.len) == 0;
}

bool keyring_roles_read(const char *text, size_t len, uint8_t *roles)
{
    const char *end = text + len;
    *roles = 0;
    while (text <= end) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        struct word word = {text, (size_t)((comma ? comma : end) - text)};
        size_t i = 0;
        while (i < ROLE_COUNT && !is(word, role_names[i].name))
            i++;
        if (i == ROLE_COUNT)
            return false;
        *roles |= role_names[i].bit;
        if (!comma)
            return true;
        text = comma + 1;
    }
    return false;
}

void keyring_roles_write(uint8_t roles, char *out, size_t size)
{
    size_t len = 0;
    *out = '\0';
    for (size_t i = 0; i < ROLE_COUNT && len < size; i++)
        if (roles & role_names[i].bit)
            len += (size_t)snprintf(out + len, size - len, "%s%s", len ? "," : "", role_names[i].name);
}

/* Days from 1970-01-01 to a date of the Gregorian calendar; years begin in March, so that the leap day is the last. */
static int64_t days_of(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = year / 400, of_era = year % 400;
    int64_t of_year = (153 * (int64_t)((month + 9) % 12) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static bool digits(const char *text, unsigned count, unsigned *value)
{
    *value = 0;
    for (unsigned i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *value = *value * 10 + (unsigned)(text[i] - '0');
    }
    return true;
}

bool keyring_time_read(const char *text, size_t len, uint64_t *ms)
{
    unsigned year, month, day, hour, minute, second;
    char again[24];
    if (len != 20 || !digits(text, 4, &year) || !digits(text + 5, 2, &month) || !digits(text + 8, 2, &day) ||
        !digits(text + 11, 2, &hour) || !digits(text + 14, 2, &minute) || !digits(text + 17, 2, &second))
        return false;
    if (year < 1970 || month < 1 || month > 12 || day < 1)
        return false;
    *ms = ((uint64_t)days_of(year, month, day) * DAY_S + hour * 3600u + minute * 60u + second) * 1000u;
    keyring_time_write(*ms, again); /* a 31st of April, or 25 o'clock, comes back as another time */
    return memcmp(text, again, len) == 0;
}

void keyring_time_write(uint64_t ms, char out[24])
{
    uint64_t seconds = ms / 1000u, left = seconds % DAY_S;
    if (seconds > UINT64_C(253402300799)) { /* the end of the year 9999 */
        seconds = UINT64_C(253402300799);
        left = seconds % DAY_S;
    }
    uint64_t days = seconds / DAY_S + 719468, era = days / 146097, of_era = days % 146097;
    uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint64_t of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    unsigned day = (unsigned)(of_year - (153 * month + 2) / 5 + 1);
    unsigned of_calendar = (unsigned)(month < 10 ? month + 3 : month - 9);
    snprintf(out, 24, "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned)(year + era * 400 + (of_calendar <= 2)) % 10000,
             of_calendar, day, (unsigned)(left / 3600), (unsigned)(left / 60 % 60), (unsigned)(left % 60));
}

/* ---- reading ---- */

struct reader {
    struct keyring *keyring;
    uint32_t line;
    struct keyring_key *key; /* of the line */
    uint32_t seen;           /* settings of the line, as bits */
};

static bool fault(struct reader *reader, const char *what)
{
    struct keyring *keyring = reader->keyring;
    if (keyring->faults++ == 0)
        snprintf(keyring->fault, sizeof(keyring->fault), "line %u: %s", (unsigned)reader->line, what);
    return false;
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct word next_word(const char **at, const char *end)
{
    while (*at < end && blank(**at))
        (*at)++;
    struct word word = {*at, 0};
    while (*at < end && !blank(**at))
        (*at)++;
    word.len = (size_t)(*at - word.at);
    return word;
}

static bool read_name(struct word word, char name[BELT_MAX_NAME + 1])
{
    if (word.len > BELT_MAX_NAME || memchr(word.at, '\0', word.len))
        return false;
    memcpy(name, word.at, word.len);
    name[word.len] = '\0';
    return belt_access_name_valid(name);
}

/* Digits, and perhaps one of k, M, G, T behind them. */
static bool read_number(struct word word, uint64_t *value)
{
    static const char units[] = "kMGT";
    const char *unit = word.len > 1 && word.at[word.len - 1] ? strchr(units, word.at[word.len - 1]) : NULL;
    *value = 0;
    if (unit)
        word.len--;
    if (word.len == 0 || word.len > 15)
        return false;
    for (size_t i = 0; i < word.len; i++) {
        if (word.at[i] < '0' || word.at[i] > '9')
            return false;
        *value = *value * 10 + (uint64_t)(word.at[i] - '0');
    }
    unsigned shift = unit ? 10u * (unsigned)(unit - units + 1) : 0;
    if (*value > UINT64_MAX >> shift)
        return false;
    *value <<= shift;
    return true;
}

enum setting { SET_OWNER, SET_EXPIRES, SET_BY, SET_GRANTS, SET_USES, SET_QUOTAS };

/* The words that may follow; what a quota is called is said in identity.h alone. */
static const char *const setting_names[] = {"owner", "expires", "by", "grants", "uses"};
static const struct {
    const char *name;
    size_t offset;
} quota_names[] = {
#define QUOTA(text, member) {text, offsetof(struct belt_quotas, member)},
    BELT_QUOTAS(QUOTA)
#undef QUOTA
};
#define QUOTA_COUNT (sizeof(quota_names) / sizeof(quota_names[0]))

static uint64_t *quota_of(struct belt_quotas *quotas, size_t i)
{
    return (uint64_t *)(void *)((char *)quotas + quota_names[i].offset);
}

static int find_setting(struct word name)
{
    for (size_t i = 0; i < SET_QUOTAS; i++)
        if (is(name, setting_names[i]))
            return (int)i;
    for (size_t i = 0; i < QUOTA_COUNT; i++)
        if (is(name, quota_names[i].name))
            return (int)(SET_QUOTAS + i);
    return -1;
}

static bool set(struct keyring_key *key, int setting, struct word value)
{
    uint64_t number = 0;
    switch (setting) {
    case SET_OWNER:
        return read_name(value, key->identity.owner);
    case SET_EXPIRES: /* 0 would be: never */
        return keyring_time_read(value.at, value.len, &key->identity.expires_at) && key->identity.expires_at > 0;
    case SET_BY:
        return read_name(value, key->by);
    case SET_GRANTS:
        return keyring_roles_read(value.at, value.len, &key->grants);
    case SET_USES:
        if (!read_number(value, &number) || number > UINT32_MAX)
            return false;
        key->uses = (uint32_t)number;
        return true;
    default:
        return read_number(value, quota_of(&key->identity.quotas, (size_t)(setting - SET_QUOTAS)));
    }
}

static bool read_setting(struct reader *reader, struct word word)
{
    const char *equals = memchr(word.at, '=', word.len);
    if (!equals)
        return fault(reader, "what follows the role is written name=value");
    struct word name = {word.at, (size_t)(equals - word.at)};
    struct word value = {equals + 1, word.len - name.len - 1};
    int setting = find_setting(name);
    if (setting < 0)
        return fault(reader, "there is a setting that a broker does not know");
    if (reader->seen & 1u << setting)
        return fault(reader, "a setting is there twice");
    reader->seen |= 1u << setting;
    return set(reader->key, setting, value) || fault(reader, "a setting has a value that is not possible");
}

static bool read_roles(struct reader *reader, struct word word)
{
    struct keyring_key *key = reader->key;
    key->token = is(word, "join");
    return key->token || keyring_roles_read(word.at, word.len, &key->identity.roles) ||
           fault(reader, "a role is client, worker, observer, admin or join, several with commas between");
}

/* A token lets others in: it says whom, how many and until when. */
static bool check(struct reader *reader)
{
    struct keyring_key *key = reader->key;
    bool grants = (reader->seen & 1u << SET_GRANTS) != 0, uses = (reader->seen & 1u << SET_USES) != 0;
    bool expires = (reader->seen & 1u << SET_EXPIRES) != 0;
    if (key->token && !(grants && uses && expires))
        return fault(reader, "a token (role join) needs grants=ROLES, uses=NUMBER and expires=TIME");
    if (!key->token && (grants || uses))
        return fault(reader, "grants and uses are of a token (role join)");
    if (!*key->identity.owner)
        memcpy(key->identity.owner, key->identity.name, sizeof(key->identity.owner));
    return true;
}

static bool read_key(struct reader *reader, const char *at, const char *end)
{
    struct keyring_key *key = reader->key;
    struct word word = next_word(&at, end);
    if (!belt_key_read(word.at, word.len, key->identity.credential))
        return fault(reader, "it does not begin with a key, which is 43 letters, digits, '-' and '_'");
    word = next_word(&at, end);
    if (!read_name(word, key->identity.name))
        return fault(reader, "the key has no name, of letters, digits, '.', '_' and '-'");
    if (!read_roles(reader, next_word(&at, end)))
        return false;
    while ((word = next_word(&at, end)).len > 0)
        if (!read_setting(reader, word))
            return false;
    return check(reader);
}

static bool keep(struct reader *reader)
{
    struct keyring *keyring = reader->keyring;
    struct keyring_key *key = reader->key, *other = NULL;
    if (keyring->count == KEYRING_MAX)
        return fault(reader, "there are more keys than a broker takes");
    HASH_FIND(by_key, keyring->by_key, key->identity.credential, BELT_KEY_BYTES, other);
    if (other)
        return fault(reader, "this key has a line already");
    if (keyring_named(keyring, key->identity.name))
        return fault(reader, "this name is that of another key");
    HASH_ADD_KEYPTR(by_key, keyring->by_key, key->identity.credential, BELT_KEY_BYTES, key);
    HASH_ADD_KEYPTR(by_name, keyring->by_name, key->identity.name, strlen(key->identity.name), key);
    keyring->count++;
    return true;
}

/* False: out of memory. */
static bool read_line(struct reader *reader, const char *at, const char *end)
{
    while (at < end && blank(*at))
        at++;
    if (at == end || *at == '#')
        return true;
    if ((size_t)(end - at) > KEYRING_LINE) {
        fault(reader, "it is longer than 1024 bytes");
        return true;
    }
    reader->seen = 0;
    reader->key = calloc(1, sizeof(*reader->key));
    if (!reader->key)
        return false;
    reader->key->line = reader->line;
    if (!read_key(reader, at, end) || !keep(reader))
        free(reader->key);
    return true;
}

struct keyring *keyring_read(const char *text, size_t len)
{
    const char *end = text + len;
    struct reader reader = {.keyring = calloc(1, sizeof(*reader.keyring))};
    while (reader.keyring && text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        stop = stop ? stop : end;
        reader.line++;
        if (!read_line(&reader, text, stop)) {
            keyring_free(reader.keyring);
            return NULL;
        }
        text = stop + 1;
    }
    return reader.keyring;
}

void keyring_free(struct keyring *keyring)
{
    struct keyring_key *key, *next;
    if (!keyring)
        return;
    HASH_CLEAR(by_name, keyring->by_name);
    HASH_ITER (by_key, keyring->by_key, key, next) {
        HASH_DELETE(by_key, keyring->by_key, key);
        free(key);
    }
    free(keyring);
}

/* ---- asking ---- */

const struct keyring_key *keyring_find(const struct keyring *keyring, const uint8_t key[BELT_KEY_BYTES])
{
    struct keyring_key *found = NULL;
    HASH_FIND(by_key, keyring->by_key, key, BELT_KEY_BYTES, found);
    return found;
}

const struct keyring_key *keyring_named(const struct keyring *keyring, const char *name)
{
    struct keyring_key *found = NULL;
    HASH_FIND(by_name, keyring->by_name, name, strlen(name), found);
    return found;
}

bool keyring_lives(const struct keyring_key *key, uint64_t wall)
{
    return key->identity.expires_at == 0 || wall < key->identity.expires_at;
}

/* The wished name, or with the first number that makes it nobody's. */
static void free_name(const struct keyring *keyring, const char *wished, char name[BELT_MAX_NAME + 1])
{
    snprintf(name, BELT_MAX_NAME + 1, "%s", wished);
    for (unsigned i = 2; keyring_named(keyring, name); i++)
        snprintf(name, BELT_MAX_NAME + 1, "%.*s-%u", (int)(BELT_MAX_NAME - 11), wished, i);
}

enum keyring_answer keyring_join(const struct keyring *keyring, const uint8_t sender[BELT_KEY_BYTES], uint64_t wall,
                                 const char *wished, const uint8_t key[BELT_KEY_BYTES], struct keyring_key *token,
                                 struct keyring_key *joined)
{
    const struct keyring_key *from = keyring_find(keyring, sender), *known = keyring_find(keyring, key);
    if (!from || !from->token)
        return KEYRING_NO_TOKEN;
    if (!keyring_lives(from, wall))
        return KEYRING_OVER;
    if (known) {
        *joined = *known;
        return strcmp(known->by, from->identity.name) == 0 ? KEYRING_KNOWN : KEYRING_TAKEN;
    }
    if (from->uses == 0)
        return KEYRING_USED_UP;
    if (keyring->count >= KEYRING_MAX)
        return KEYRING_FULL;
    *token = *from;
    token->uses--;
    *joined = (struct keyring_key){.identity = {.roles = from->grants, .quotas = from->identity.quotas}};
    memcpy(joined->identity.credential, key, BELT_KEY_BYTES);
    free_name(keyring, wished, joined->identity.name);
    snprintf(joined->by, sizeof(joined->by), "%s", from->identity.name);
    /* Never the name that was wished for: it might be that of somebody whose jobs are here. */
    memcpy(joined->identity.owner, from->identity.owner, sizeof(joined->identity.owner));
    return KEYRING_ADDED;
}

/* ---- writing ---- */

size_t keyring_line(const struct keyring_key *key, char *out, size_t size)
{
    const struct belt_identity *identity = &key->identity;
    char text[BELT_KEY_TEXT], roles[ROLES_MAX], when[24];
    size_t len = 0;
#define ADD(...) len += (size_t)snprintf(len < size ? out + len : NULL, len < size ? size - len : 0, __VA_ARGS__)
    belt_key_write(text, identity->credential);
    keyring_roles_write(key->token ? key->grants : identity->roles, roles, sizeof(roles));
    if (key->token)
        ADD("%s %s join grants=%s uses=%u", text, identity->name, roles, (unsigned)key->uses);
    else
        ADD("%s %s %s", text, identity->name, roles);
    if (strcmp(identity->owner, identity->name) != 0)
        ADD(" owner=%s", identity->owner);
    keyring_time_write(identity->expires_at, when);
    if (identity->expires_at)
        ADD(" expires=%s", when);
    for (size_t i = 0; i < QUOTA_COUNT; i++) {
        uint64_t quota = *(const uint64_t *)(const void *)((const char *)&identity->quotas + quota_names[i].offset);
        if (quota)
            ADD(" %s=%" PRIu64, quota_names[i].name, quota);
    }
    if (*key->by)
        ADD(" by=%s", key->by);
    ADD("\n");
#undef ADD
    return len;
}

/* Where line `number` begins; the end of the text when it has fewer. */
static size_t begin_of(const char *text, size_t len, uint32_t number)
{
    size_t at = 0;
    for (uint32_t line = 1; line < number && at < len; line++) {
        const char *stop = memchr(text + at, '\n', len - at);
        at = stop ? (size_t)(stop - text) + 1 : len;
    }
    return at;
}

char *keyring_edit(const char *text, size_t len, uint32_t number, const char *line, size_t *edited)
{
    size_t from = number ? begin_of(text, len, number) : len, to = number ? begin_of(text, len, number + 1) : len;
    size_t more = line ? strlen(line) : 0;
    bool open = from > 0 && text[from - 1] != '\n'; /* the last line of a file may lack its end */
    char *out = malloc(len + more + 2);
    if (!out)
        return NULL;
    *edited = 0;
    memcpy(out, text, from);
    *edited += from;
    if (open && more)
        out[(*edited)++] = '\n';
    if (more)
        memcpy(out + *edited, line, more);
    *edited += more;
    memcpy(out + *edited, text + to, len - to);
    *edited += len - to;
    out[*edited] = '\0';
    return out;
}
