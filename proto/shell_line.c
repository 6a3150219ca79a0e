/* SPDX-License-Identifier: Apache-2.0
 *
 * The {} in a line for the shell. Pure. See shell_line.h.
 *
 * The line is read once, with a stack of what surrounds the reading place: quotes, substitutions, arithmetic. A mistake
 * in that would put a reference into the wrong kind of quotes, where the shell might split it into words; it would
 * still not run it. (POSIX.1-2017, Shell Command Language, 2.2 to 2.6.)
 */
#include "shell_line.h"
#include "shell_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACE     "{}"
#define REFERENCE "${" SHELL_INPUT_NAME "?}" /* without the variable (env -i, sudo) the shell stops, and says so */
#define QUOTED    "\"" REFERENCE "\""
#define RUNS_INPUT                                                                                                     \
    "where the script of a shell stands, which would run the input as code",                                           \
        "if that is what you want, leave it out: the shell then reads the input from its standard input"
#define DEPTH_MAX 32u
#define WORD_MAX  256u

enum around {
    AROUND_CODE,   /* the line itself, ( ), $( ) */
    AROUND_TICKS,  /* ` ` */
    AROUND_SINGLE, /* ' ' */
    AROUND_ANSI,   /* $' ' of bash and ksh */
    AROUND_DOUBLE, /* " " */
    AROUND_BRACE,  /* ${ } */
    AROUND_ARITH   /* $(( )), (( )) */
};

struct frame {
    enum around around;
    bool paren;                          /* CODE: ends with ) */
    bool in_double, pattern, arithmetic; /* BRACE */
    unsigned parens;                     /* ARITH: ( that are open */
    unsigned cases;                      /* CODE: case … esac that are open */
    struct seen seen;
    char word[WORD_MAX]; /* CODE: the letters of the word so far */
    unsigned word_len;
    bool word_plain; /* without quotes and substitutions */
};

struct scan {
    struct shell_line *out;
    const char *at;
    struct frame frames[DEPTH_MAX];
    unsigned depth; /* of the innermost frame */
    bool here;      /* a here-document was begun */
    bool failed;    /* out of memory */
};

static int read_line(struct shell_line *out, const char *line, size_t len);

/* ---- output ---- */

static int refuse(struct shell_line *out, const char *where, const char *instead)
{
    if (out->error[0] == '\0')
        snprintf(out->error, sizeof(out->error), "{} stands %s; %s", where, instead);
    return -1;
}

/** 0; -1 when out of memory. */
static int add(struct shell_line *out, const void *bytes, size_t len)
{
    if (out->room - out->len < len) {
        size_t room = 2 * out->room + len + 256;
        char *text = realloc(out->text, room);
        if (!text)
            return -1;
        out->text = text;
        out->room = room;
    }
    if (len > 0)
        memcpy(out->text + out->len, bytes, len);
    out->len += len;
    return 0;
}

static void put(struct scan *scan, const char *text, size_t len)
{
    scan->failed |= add(scan->out, text, len) != 0;
}

/** Copies `n` characters of the line. */
static void copy(struct scan *scan, size_t n)
{
    put(scan, scan->at, n);
    scan->at += n;
}

/* ---- the stack ---- */

static struct frame *top(struct scan *scan)
{
    return &scan->frames[scan->depth];
}

static int push(struct scan *scan, enum around around)
{
    if (scan->depth + 1 == DEPTH_MAX) {
        snprintf(scan->out->error, sizeof(scan->out->error),
                 "the command line is nested in more than %u levels; put it into a script of its own", DEPTH_MAX);
        return -1;
    }
    scan->frames[++scan->depth] = (struct frame){.around = around, .word_plain = true};
    return 0;
}

static void pop(struct scan *scan)
{
    if (scan->depth > 0)
        scan->depth--;
}

/* ---- words ---- */

/** The word before the reading place is over. */
static void end_word(struct frame *frame)
{
    if (frame->word_len == 0 && frame->word_plain)
        return;
    frame->word[frame->word_len] = '\0';
    const char *word = frame->word_plain ? frame->word : "";
    if (strcmp(word, "case") == 0)
        frame->cases++;
    else if (strcmp(word, "esac") == 0 && frame->cases > 0)
        frame->cases--;
    seen_word(&frame->seen, word);
    frame->word_len = 0;
    frame->word_plain = true;
}

static void end_command(struct frame *frame)
{
    end_word(frame);
    frame->seen = (struct seen){0};
}

static void add_letter(struct frame *frame, char c)
{
    if (frame->word_len + 1 < WORD_MAX)
        frame->word[frame->word_len++] = c;
    else
        frame->word_plain = false;
}

/* ---- placeholders ---- */

/** Refused wherever it stands, because of the command that it is a word of. */
static int check_command(struct scan *scan)
{
    for (unsigned i = 0; i <= scan->depth; i++) {
        const struct seen *seen = &scan->frames[i].seen;
        if (seen->evaluates && strcmp(seen->evaluates, "ssh") == 0)
            return refuse(scan->out, "among the words of ssh, which a shell on the other host reads as code",
                          "send the input to its standard input: ssh HOST 'cat' with no {}");
        if (seen->evaluates)
            return refuse(scan->out, "among words that the shell evaluates (eval, let, trap, alias)",
                          "use it without that, as in: x={}; … \"$x\"");
        if (seen->script && seen->shell)
            return refuse(scan->out, "in the script of a shell in this line, in quotes that both shells read",
                          "write the script in single quotes, or pass the input to it: sh -c '… \"$1\" …' sh {}");
        if (seen->script)
            return refuse(scan->out, "in a program of another language, which would read the input as code",
                          "pass the input as an argument: python3 -c '… sys.argv[1] …' {}");
    }
    return 0;
}

static int place(struct scan *scan)
{
    const struct frame *frame = top(scan);
    const char *text = QUOTED;

    if (scan->here)
        return refuse(scan->out, "behind the beginning of a here-document",
                      "use printf '%s\\n' {} | … , or put the command into a script of its own");
    if (check_command(scan) != 0)
        return -1;
    switch (frame->around) {
    case AROUND_ARITH:
        return refuse(scan->out, "in arithmetic, which a shell may evaluate as code", "use expr, as in: expr {} + 1");
    case AROUND_BRACE:
        if (frame->arithmetic)
            return refuse(scan->out, "in arithmetic, which a shell may evaluate as code", "use expr or cut");
        text = frame->in_double && !frame->pattern ? REFERENCE : QUOTED;
        break;
    case AROUND_DOUBLE:
        text = REFERENCE;
        break;
    case AROUND_SINGLE:
        text = "'" QUOTED "'";
        break;
    case AROUND_ANSI:
        text = "'" QUOTED "$'";
        break;
    default:
        break;
    }
    put(scan, text, strlen(text));
    scan->at += strlen(PLACE);
    scan->out->references++;
    return 0;
}

/* ---- what opens and closes ---- */

/** After "${": what the expansion does with what comes behind its name. */
static void open_brace(struct scan *scan, bool in_double)
{
    struct frame *frame = top(scan);
    const char *at = scan->at + 2;

    at += *at == '#' && at[1] != '}';
    at += strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    at += *at == '@' || *at == '*' || *at == '!';
    frame->in_double = in_double;
    frame->pattern = *at != '\0' && strchr("#%/^,", *at) != NULL;
    frame->arithmetic = *at == '[' || (*at == ':' && (at[1] == '\0' || !strchr("-=?+", at[1])));
}

/** A substitution that begins here: 1; none: 0; -1: refused. */
static int open_substitution(struct scan *scan, bool in_double)
{
    const char *at = scan->at;

    if (strncmp(at, "$((", 3) == 0) {
        if (push(scan, AROUND_ARITH) != 0)
            return -1;
        copy(scan, 3);
    } else if (strncmp(at, "$(", 2) == 0) {
        if (push(scan, AROUND_CODE) != 0)
            return -1;
        top(scan)->paren = true;
        copy(scan, 2);
    } else if (strncmp(at, "${", 2) == 0) {
        if (push(scan, AROUND_BRACE) != 0)
            return -1;
        open_brace(scan, in_double);
        copy(scan, 2);
    } else if (*at == '`') {
        if (push(scan, AROUND_TICKS) != 0)
            return -1;
        copy(scan, 1);
    } else {
        return 0;
    }
    return 1;
}

/** The script of a shell, in single quotes: a line of its own. */
static int inner_script(struct scan *scan)
{
    const char *end = strchr(scan->at + 1, '\'');
    struct shell_line script = {0};
    int rc;

    if (!end) {
        copy(scan, strlen(scan->at));
        return 0;
    }
    if (end == scan->at + 3 && strncmp(scan->at + 1, PLACE, 2) == 0)
        return refuse(scan->out, RUNS_INPUT);
    rc = read_line(&script, scan->at + 1, (size_t)(end - scan->at - 1));
    if (rc == 0) {
        put(scan, "'", 1);
        put(scan, script.text, script.len - 1);
        put(scan, "'", 1);
        scan->at = end + 1;
        scan->out->references += script.references;
    } else {
        memcpy(scan->out->error, script.error, sizeof(script.error));
    }
    shell_line_free(&script);
    return rc;
}

/* ---- one step in each kind of surroundings ---- */

static int step_quotes(struct scan *scan)
{
    const struct frame *frame = top(scan);
    char c = *scan->at, end = frame->around == AROUND_DOUBLE ? '"' : '\'';
    bool escapes = frame->around != AROUND_SINGLE;

    if (c == '\\' && escapes && scan->at[1] != '\0') {
        copy(scan, 2);
    } else if (c == end) {
        copy(scan, 1);
        pop(scan);
    } else {
        int rc = frame->around == AROUND_DOUBLE ? open_substitution(scan, true) : 0;
        if (rc < 0)
            return -1;
        if (rc == 0)
            copy(scan, 1);
    }
    return 0;
}

static int step_brace(struct scan *scan)
{
    const struct frame *frame = top(scan);
    char c = *scan->at;
    int rc;

    if (c == '\\' && scan->at[1] != '\0') {
        copy(scan, 2);
        return 0;
    }
    if (c == '}') {
        copy(scan, 1);
        pop(scan);
        return 0;
    }
    rc = open_substitution(scan, frame->in_double);
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (c == '"' || (c == '\'' && !frame->in_double))
        rc = push(scan, c == '"' ? AROUND_DOUBLE : AROUND_SINGLE);
    copy(scan, 1);
    return rc;
}

static int step_arithmetic(struct scan *scan)
{
    struct frame *frame = top(scan);
    int rc = open_substitution(scan, true);

    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (*scan->at == ')' && frame->parens == 0) {
        copy(scan, scan->at[1] == ')' ? 2 : 1);
        pop(scan);
        return 0;
    }
    if (*scan->at == '(')
        frame->parens++;
    else if (*scan->at == ')')
        frame->parens--;
    copy(scan, 1);
    return 0;
}

/** From # to the end of the line. */
static int comment(struct scan *scan)
{
    size_t len = strcspn(scan->at, "\n");
    const char *found = strstr(scan->at, PLACE);

    if (found && found < scan->at + len)
        return refuse(scan->out, "in a comment", "leave the comment out");
    copy(scan, len);
    return 0;
}

static int open_paren(struct scan *scan, struct frame *frame)
{
    bool arithmetic = scan->at[1] == '(' && frame->word_len == 0;

    end_command(frame);
    if (push(scan, arithmetic ? AROUND_ARITH : AROUND_CODE) != 0)
        return -1;
    top(scan)->paren = !arithmetic;
    copy(scan, arithmetic ? 2 : 1);
    return 0;
}

/** Characters that end a word or a command, and parentheses. 0: none of these. */
static int step_separator(struct scan *scan, struct frame *frame)
{
    char c = *scan->at;

    if (c == ' ' || c == '\t') {
        end_word(frame);
    } else if (c == '\n' || c == ';' || c == '&' || c == '|') {
        end_command(frame);
    } else if (c == '<' || c == '>') {
        end_word(frame);
        if (strncmp(scan->at, "<<<", 3) == 0) {
            copy(scan, 2);
        } else if (strncmp(scan->at, "<<", 2) == 0) {
            scan->here = true;
            copy(scan, 1);
        }
    } else if (c == '(') {
        return open_paren(scan, frame) != 0 ? -1 : 1;
    } else if (c == ')') {
        end_command(frame);
        if (frame->paren && frame->cases == 0)
            pop(scan);
    } else {
        return 0;
    }
    copy(scan, 1);
    return 1;
}

static int open_quotes(struct scan *scan, struct frame *frame)
{
    char c = *scan->at;
    bool ansi = c == '\'' && frame->word_len > 0 && frame->word[frame->word_len - 1] == '$';

    if (c == '\'' && frame->seen.script && frame->seen.shell && frame->word_len == 0 && frame->word_plain) {
        frame->word_plain = false;
        return inner_script(scan);
    }
    frame->word_plain = false;
    copy(scan, 1);
    return push(scan, c == '"' ? AROUND_DOUBLE : ansi ? AROUND_ANSI : AROUND_SINGLE);
}

static int step_code(struct scan *scan)
{
    struct frame *frame = top(scan);
    char c = *scan->at;
    int rc;

    if (c == '\\' && scan->at[1] != '\0') {
        frame->word_plain = false;
        copy(scan, 2);
        return 0;
    }
    if (c == '`' && frame->around == AROUND_TICKS) {
        copy(scan, 1);
        pop(scan);
        return 0;
    }
    if (c == '#' && frame->word_len == 0 && frame->word_plain)
        return comment(scan);
    if (c == '\'' || c == '"')
        return open_quotes(scan, frame);
    rc = step_separator(scan, frame);
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    rc = open_substitution(scan, false);
    if (rc != 0) {
        frame->word_plain = false;
        return rc < 0 ? -1 : 0;
    }
    add_letter(frame, c);
    copy(scan, 1);
    return 0;
}

static int step(struct scan *scan)
{
    if (strncmp(scan->at, PLACE, 2) == 0) {
        top(scan)->word_plain = false;
        return place(scan);
    }
    switch (top(scan)->around) {
    case AROUND_CODE:
    case AROUND_TICKS:
        return step_code(scan);
    case AROUND_BRACE:
        return step_brace(scan);
    case AROUND_ARITH:
        return step_arithmetic(scan);
    default:
        return step_quotes(scan);
    }
}

/* ---- the whole ---- */

static int check_foreign(struct shell_line *out, const char *text)
{
    size_t len;
    const char *found = shell_foreign_place(text, &len);

    if (!found)
        return 0;
    snprintf(
        out->error, sizeof(out->error),
        "%.*s is not a placeholder: {}, the whole input, is the only one; cut it in the shell (${x%%.*}, basename), or "
        "write \"{\"\"%.*s in a line for the shell to mean the characters themselves",
        (int)len, found, (int)len - 1, found + 1);
    return -1;
}

/** `line` has `len` characters; a copy of it with its end is read. */
static int read_line(struct shell_line *out, const char *line, size_t len)
{
    char *copied = strndup(line, len);
    struct scan scan = {.out = out, .at = copied};
    int rc = 0;

    if (!copied) {
        snprintf(out->error, sizeof(out->error), "out of memory");
        return -1;
    }
    scan.frames[0] = (struct frame){.around = AROUND_CODE, .word_plain = true};
    while (rc == 0 && *scan.at != '\0')
        rc = step(&scan);
    put(&scan, "", 1);
    free(copied);
    if (scan.failed)
        snprintf(out->error, sizeof(out->error), "out of memory");
    return scan.failed ? -1 : rc;
}

int shell_line_read(struct shell_line *out, const char *line)
{
    *out = (struct shell_line){0};
    if (check_foreign(out, line) != 0)
        return -1;
    return read_line(out, line, strlen(line));
}

void shell_line_free(struct shell_line *line)
{
    free(line->text);
    line->text = NULL;
}

/* ---- words ---- */

/** Adds `word` with each {} replaced. */
static int add_replaced(struct shell_line *out, const char *word, struct belt_bytes input)
{
    const char *found;
    int rc = 0;

    for (; (found = strstr(word, PLACE)); word = found + 2) {
        rc |= add(out, word, (size_t)(found - word)) | add(out, input.data, input.len);
    }
    return rc | add(out, word, strlen(word) + 1);
}

static int add_word(struct shell_line *out, const struct seen *seen, const char *word, struct belt_bytes input)
{
    if (!strstr(word, PLACE))
        return add(out, word, strlen(word) + 1);
    if (seen->evaluates && strcmp(seen->evaluates, "ssh") == 0)
        return refuse(out, "among the words of ssh, which a shell on the other host reads as code",
                      "send the input to its standard input: ssh HOST cat");
    if (seen->script && seen->shell && strcmp(word, PLACE) == 0)
        return refuse(out, RUNS_INPUT);
    if (seen->script && seen->shell)
        return read_line(out, word, strlen(word));
    if (seen->script)
        return refuse(out, "in a program of another language, which would read the input as code",
                      "pass the input as an argument: python3 -c '… sys.argv[1] …' {}");
    return add_replaced(out, word, input);
}

int shell_words_copy(struct shell_line *out, const char *const *words, uint32_t count)
{
    *out = (struct shell_line){0};
    for (uint32_t i = 0; i < count; i++) {
        if (check_foreign(out, words[i]) != 0)
            return -1;
        if (add(out, words[i], strlen(words[i]) + 1) != 0) {
            snprintf(out->error, sizeof(out->error), "out of memory");
            return -1;
        }
    }
    return 0;
}

int shell_words_read(struct shell_line *out, const char *const *words, uint32_t count, struct belt_bytes input)
{
    struct seen seen = {0};

    *out = (struct shell_line){0};
    for (uint32_t i = 0; i < count; i++) {
        if (check_foreign(out, words[i]) != 0)
            return -1;
        if (add_word(out, &seen, words[i], input) != 0) {
            if (out->error[0] == '\0')
                snprintf(out->error, sizeof(out->error), "out of memory");
            return -1;
        }
        seen_word(&seen, strchr(words[i], '{') ? "" : words[i]);
    }
    return 0;
}
