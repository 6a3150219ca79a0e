/* SPDX-License-Identifier: Apache-2.0
 *
 * An input is data wherever {} stands in a command: each way of writing one is run by real shells, with inputs that
 * would be code in the wrong place. What cannot be made safe is refused.
 */
#include "proto/shell_line.h"
#include "worker/agent.h"
#include "worker/agent/command_line.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Each prints its input and nothing else. */
static const char *const lines[] = {
    "printf %s {}",
    "printf %s \"{}\"",
    "printf '%s' '{}'",
    "printf %s \"$(printf %s {})\"",
    "printf %s \"$(printf %s \"{}\")\"",
    "printf %s \"$(printf %s '{}')\"",
    "printf %s \"`printf %s {}`\"",
    "x=`printf %s {}`; printf %s \"$x\"",
    "x={}; printf %s \"$x\"",
    "x=\"{}\"; printf %s \"$x\"",
    "x='{}'; printf %s \"$x\"",
    "printf %s \"${unset:-{}}\"",
    "printf %s ${unset:-{}}",
    "printf %s ${unset:-\"{}\"}",
    "x=a{}; printf %s \"${x#a}\"",
    "x={}a; printf %s \"${x%a}\"",
    "x=b{}; y=${x#b}; printf %s \"$y\"",
    "x={}{}; printf %s \"${x#{}}\"",
    "x={}{}; y=${x#{}}; printf %s \"$y\"",
    "case {} in {}) printf %s {};; esac",
    "printf %s \"$(case a in a) printf %s {};; esac)\"",
    "(printf %s {})",
    "{ printf %s {}; }",
    "printf %s {} | cat",
    "true && printf %s {} || printf no",
    "if true; then printf %s {}; fi",
    "for i in {}; do printf %s \"$i\"; done",
    "f() { printf %s {}; }; f other",
    "set -- other; shift; printf %s {}",
    "while :; do printf %s {}; break; done",
    "sh -c 'printf %s {}'",
    "sh -c 'printf %s \"{}\"'",
    "sh -ec 'printf %s \"$(printf %s {})\"'",
    "env X=1 bash -o errexit -c 'printf %s {}'",
    "sh -c 'printf %s \"$1\"' sh {}",
    "sh -c 'printf %s \"$1\"' sh \"{}\"",
    "sh -c 'sh -c \"printf %s \\\"\\$1\\\"\" sh {}'",
    "printf %s {} 2>/dev/null # a comment",
    "printf %s a{}b | sed '1s/^a//; $s/b$//' | sed -z 's/\\n$//'",
    "printf %s $(( 1 ))\"{}\" | sed '1s/^1//' | sed -z 's/\\n$//'",
};

static const char *const inputs[] = {
    "plain",
    "two words",
    " blanks  around ",
    "$(touch MARK)",
    "`touch MARK`",
    "; touch MARK;",
    "'; touch MARK; '",
    "\"; touch MARK; \"",
    "\" $(touch MARK) \"",
    "' $(touch MARK) '",
    "a'b\"c\\d",
    "\\",
    "\\\\$HOME",
    "$HOME ${HOME} $1 $@ $$",
    "*",
    "/*",
    "[a-z]?",
    "{}",
    "}",
    ")",
    "))",
    "#x",
    "!x",
    "~",
    "a\nb",
    "\n(touch MARK)\n.",
    "$((1+1))",
    "a[$(touch MARK)]",
    "| touch MARK",
    "&& touch MARK",
    "x; esac; touch MARK",
    "\xc3\xa4\xe2\x82\xac \x01\x7f \xff",
};

static char directory[64], mark[96];

static void setup(void)
{
    snprintf(directory, sizeof(directory), "/tmp/belt-shell-XXXXXX");
    cr_assert_not_null(mkdtemp(directory));
    cr_assert_eq(chdir(directory), 0);
    snprintf(mark, sizeof(mark), "%s/MARK", directory);
}

static void teardown(void)
{
    char command[96];

    snprintf(command, sizeof(command), "rm -rf %s", directory);
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(system(command), 0);
}

TestSuite(shell_line, .init = setup, .fini = teardown);

/* What the command prints; its argv[0] is `shell` when that is not NULL. */
static size_t run(const struct command_line *line, const char *shell, char *out, size_t size)
{
    int ends[2];
    size_t len = 0;
    ssize_t n;

    cr_assert_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        if (line->variable)
            putenv(line->variable);
        execvp(shell ? shell : line->argv[0], line->argv);
        _exit(127);
    }
    close(ends[1]);
    while ((n = read(ends[0], out + len, size - 1 - len)) > 0)
        len += (size_t)n;
    close(ends[0]);
    waitpid(pid, NULL, 0);
    out[len] = '\0';
    return len;
}

static struct belt_bytes text_of(const char *text)
{
    return (struct belt_bytes){(const uint8_t *)text, strlen(text)};
}

static void expect_data(const struct command_line *line, const char *shell, const char *command, const char *input)
{
    char out[4096];

    run(line, shell, out, sizeof(out));
    cr_expect_str_eq(out, input, "%s: %s of '%s' gives '%s'", shell ? shell : "words", command, input, out);
    cr_expect_neq(access(mark, F_OK), 0, "%s ran '%s'", command, input);
    unlink(mark);
}

Test(shell_line, an_input_is_data_in_every_quoting, .timeout = 100)
{
    static const char *const shells[] = {"/bin/sh", "bash"};
    struct command_line line;

    for (size_t l = 0; l < sizeof(lines) / sizeof(*lines); l++)
        for (size_t i = 0; i < sizeof(inputs) / sizeof(*inputs); i++) {
            cr_assert_eq(command_line_shell(&line, lines[l], text_of(inputs[i])), 0, "%s: %s", lines[l], line.error);
            for (size_t s = 0; s < 2; s++)
                expect_data(&line, shells[s], lines[l], inputs[i]);
            command_line_free(&line);
        }
}

Test(shell_line, a_redirection_names_the_file)
{
    static const char *const names[] = {"a b", "$(touch MARK)", "'\"", "-x"};
    struct command_line line;

    for (size_t i = 0; i < 4; i++) {
        FILE *file = fopen(names[i], "w");
        fputs(names[i], file);
        fclose(file);
        cr_assert_eq(command_line_shell(&line, "cat <{}", text_of(names[i])), 0);
        expect_data(&line, "/bin/sh", "cat <{}", names[i]);
        command_line_free(&line);
        cr_assert_eq(command_line_shell(&line, "cat < \"{}\"", text_of(names[i])), 0);
        expect_data(&line, "/bin/sh", "cat < \"{}\"", names[i]);
        command_line_free(&line);
    }
}

/* ---- commands in words ---- */

static int words_line(struct command_line *line, const char *const *words, const char *input)
{
    uint8_t argument[512] = {0};
    size_t len = 1;

    for (; *words; words++) {
        strcpy((char *)argument + len, *words);
        len += strlen(*words) + 1;
    }
    return command_line_exec(line, (struct belt_bytes){argument, len}, text_of(input));
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

Test(shell_line, words_are_data_and_the_scripts_of_shells_are_lines, .timeout = 100)
{
    const char *const *const commands[] = {
        WORDS("printf", "%s", "{}"),
        WORDS("sh", "-c", "printf %s {}"),
        WORDS("sh", "-c", "printf %s \"{}\""),
        WORDS("sh", "-c", "printf %s '{}'"),
        WORDS("/bin/bash", "-ec", "printf %s \"$(printf %s {})\""),
        WORDS("env", "X=1", "dash", "-e", "-c", "printf %s {}"),
        WORDS("bash", "--norc", "-o", "errexit", "-c", "printf %s {}"),
        WORDS("sh", "-c", "printf %s \"$1\"", "sh", "{}"),
        WORDS("python3", "-c", "import sys; sys.stdout.write(sys.argv[1])", "{}"),
    };
    struct command_line line;

    setenv("PYTHONUTF8", "1", 1);
    for (size_t c = 0; c < sizeof(commands) / sizeof(*commands); c++)
        for (size_t i = 0; i < sizeof(inputs) / sizeof(*inputs) - (c == 8); i++) {
            cr_assert_eq(words_line(&line, commands[c], inputs[i]), 0, "%s", line.error);
            expect_data(&line, NULL, commands[c][0], inputs[i]);
            command_line_free(&line);
        }
}

static void refused(int rc, struct command_line *line, const char *command, const char *why)
{
    cr_expect_eq(rc, -1, "%s is taken", command);
    cr_expect(rc != 0 && strstr(line->error, why), "%s: '%s' does not say '%s'", command, rc ? line->error : "", why);
    if (rc == 0)
        command_line_free(line);
}

Test(shell_line, what_cannot_be_made_safe_is_refused)
{
    static const char *const bad[][2] = {
        {"cat <<END\n{}\nEND", "here-document"},
        {"cat <<-'END'\n{}\nEND", "here-document"},
        {"echo a # {}", "comment"},
        {"echo $(( {} + 1 ))", "arithmetic"},
        {"(( {} ))", "arithmetic"},
        {"echo ${x:{}}", "arithmetic"},
        {"echo ${a[{}]}", "arithmetic"},
        {"eval echo {}", "evaluated"},
        {"eval \"echo {}\"", "evaluated"},
        {"true; let x={}", "evaluated"},
        {"trap 'echo {}' EXIT", "evaluated"},
        {"sh -c \"echo {}\"", "single quotes"},
        {"sh -c \"$(echo {})\"", "single quotes"},
        {"bash -c {}", "single quotes"},
        {"sh -c '{}'", "run the input as code"},
        {"ssh host wc {}", "other host"},
        {"python3 -c 'print(\"{}\")'", "another language"},
        {"perl -ne 'print \"{}\"'", "another language"},
        {"su -c 'echo {}'", "gives to a shell"},
        {"flock lock -c 'echo {}'", "gives to a shell"},
        {"script -qc \"echo {}\" /dev/null", "gives to a shell"},
        {"x=sh; $x -c 'echo {}'", "gives to a shell"},
        {"\"$SHELL\" -c 'echo {}'", "gives to a shell"},
        {"/bin/ba?h -c 'echo {}'", "gives to a shell"},
        {"$SUDO sh -c \"echo {}\"", "single quotes"},
        {"env -S 'sh -c {}'", "gives to a shell"},
        {"sbatch --wrap=\"echo {}\"", "gives to a shell"},
        {"tar --checkpoint-action=exec={} -cf a b", "gives to a shell"},
        {"sh -\"c\" \"echo {}\"", "single quotes"},
        {"s\"h\" -c \"echo {}\"", "single quotes"},
        {"\\sh -c \"echo {}\"", "single quotes"},
        {"'sh' '-c' \"echo {}\"", "single quotes"},
        {"bash -c -- \"echo {}\"", "single quotes"},
        {"bash -c -e \"echo {}\"", "single quotes"},
        {"find . -exec sh -c \"echo {}\" \\;", "single quotes"},
        {"perl -p -e 's/a/{}/'", "another language"},
        {"perl -pe's/a/{}/'", "another language"},
        {"awk 'BEGIN { print \"{}\" }'", "another language"},
        {"awk -F: '/{}/' file", "another language"},
        {"gawk -i inplace '/{}/' file", "another language"},
        {"sed \"s/a/{}/\" file", "another language"},
        {"sed -n -e '/{}/p' file", "another language"},
        {"jq '.a == \"{}\"' file", "another language"},
        {"psql -c \"select '{}'\"", "another language"},
        {"emacs --eval={}", "another language"},
        {"watch ls {}", "evaluated"},
        {"timeout 5 ssh host wc {}", "other host"},
        {"make X={}", "expands"},
        {"BASH_ENV={} bash file", "whose value a shell runs"},
        {"export PS4={}", "whose value a shell runs"},
        {"read {} <file", "name of a variable"},
        {"printf -v {} x", "name of a variable"},
        {"[ -v {} ]", "name of a variable"},
        {"export {}=1", "name of a variable"},
        {"declare -i x={}", "arithmetic"},
        {"[[ -n a && {} -eq 1 ]]", "arithmetic"},
        {"[[ -v {} ]]", "arithmetic"},
        {"x[{}]=1", "arithmetic"},
        {"x=([\"{}\"]=1)", "arithmetic"},
        {"echo $[{}]", "arithmetic"},
        {"echo `echo \\\"{}\\\"`", "write $( )"},
        {"echo {} ::: a", "no source of inputs"},
        {"gzip ::::", "no source of inputs"},
        {"mv {} {1.}x", "{1.} is not a placeholder"},
        {"echo {= s/a/b/ =}", "{= s/a/b/ =} is not a placeholder"},
        {"echo {.}", "{.} is not a placeholder"},
        {"mv x '{/}'", "{/} is not a placeholder"},
        {"echo {#} {}", "{#} is not a placeholder"},
        {"echo {1} {2}", "{1} is not a placeholder"},
    };
    struct command_line line;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        refused(command_line_shell(&line, bad[i][0], text_of("x")), &line, bad[i][0], bad[i][1]);
    refused(words_line(&line, WORDS("sh", "-c", "{}"), "x"), &line, "sh -c {}", "run the input as code");
    refused(words_line(&line, WORDS("nice", "sh", "-c", "eval {}"), "x"), &line, "sh -c 'eval {}'", "evaluated");
    refused(words_line(&line, WORDS("python3", "-c", "print('{}')"), "x"), &line, "python3 -c", "another language");
    refused(words_line(&line, WORDS("ssh", "host", "wc {}"), "x"), &line, "ssh", "other host");
    refused(words_line(&line, WORDS("flock", "lock", "-c", "echo {}"), "x"), &line, "flock", "gives to a shell");
    refused(words_line(&line, WORDS("awk", "/{}/", "file"), "x"), &line, "awk", "another language");
    refused(words_line(&line, WORDS("bash", "-c", "test -v {}"), "x"), &line, "test -v", "name of a variable");
    refused(words_line(&line, WORDS("echo", "{//}"), "x"), &line, "{//}", "{//} is not a placeholder");
}

/* What only looks like that. */
Test(shell_line, what_is_safe_is_taken)
{
    static const char *const good[] = {"grep -c {} file",
                                       "sh script -c {}",
                                       "echo eval {}",
                                       "echo ${#x} {}",
                                       "grep -E 'a{3}' {}",
                                       "awk '{print $1}' {}",
                                       "echo \"{\"\".}\" {}",
                                       "python3 script.py {}",
                                       "cat <<<{}",
                                       "sed 's/#/x/' {}",
                                       "echo a#b {}",
                                       "x=$((1 << 2)); echo {}",
                                       "rsync -ae ssh {} host:",
                                       "grep -e \"a {}\" file",
                                       "./script -c {}",
                                       "sed -i.save 's/a/b/' {}",
                                       "sed -n -e p -e q {}",
                                       "awk -F: -v x={} '{print x}' f",
                                       "jq --arg x {} '.a == $x' f",
                                       "jq . {}",
                                       "[ {} -gt 1 ]",
                                       "bash -c '[[ {} == a* ]]'",
                                       "export x={}",
                                       "x=\"{}\" y={} env",
                                       "make {}",
                                       "printf '%s' {}",
                                       "git commit -m \"about {}\"",
                                       "perl -pi -e 's/a/b/' {}",
                                       "find . -name \"{}\"",
                                       "flock {} gzip {}",
                                       "echo '::::' {}",
                                       "timeout 5 gzip {}",
                                       "time -f %e gzip {}",
                                       "gzip x:::y {}",
                                       "sh -c 'echo \"$1\"' sh -c {}",
                                       "ls [a-z]* {}"};
    struct command_line line;

    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        cr_expect_eq(command_line_shell(&line, good[i], text_of("x")), 0, "%s: %s", good[i], line.error);
        command_line_free(&line);
    }
}

Test(shell_line, inputs_that_no_argument_can_be)
{
    char *large = malloc(200001);
    struct command_line line;

    memset(large, 'x', 200000);
    large[200000] = '\0';
    refused(command_line_shell(&line, "echo {}", text_of(large)), &line, "200,000 bytes",
            "and the system takes at most 131071");
    refused(command_line_shell(&line, "echo {}", (struct belt_bytes){(const uint8_t *)"a\0b", 3}), &line, "NUL", "NUL");
    free(large);
}
