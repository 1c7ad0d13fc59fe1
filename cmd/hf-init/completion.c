/* completion.c: `hf-init completion SHELL`: a script that makes the shell complete commands, options
 * and the words they take, made from the same tables as everything else. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "app.h"

enum shell { BASH, ZSH, FISH };

/* "repos[].refAlias" is --ref-alias, "disk.reserve" is --disk-reserve. */
static void flag_of(const char *path, char *out, size_t size)
{
    size_t n = 0;

    if (strncmp(path, "repos[].", 8) == 0)
        path += 8;
    for (; *path && n + 2 < size; path++) {
        if (isupper((unsigned char)*path))
            out[n++] = '-';
        out[n++] = *path == '.' ? '-' : (char)tolower((unsigned char)*path);
    }
    out[n] = '\0';
}

static bool takes_path(const char *flag)
{
    static const char *const ends[] = {"file", "dir", "target", "cert", "key", "message", NULL};
    size_t                   len = strlen(flag);

    for (size_t i = 0; ends[i]; i++)
        if (len >= strlen(ends[i]) && strcmp(flag + len - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

/* In single quotes, for any of the three. */
static void print_quoted(const char *text)
{
    putchar('\'');
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", stdout);
        else
            putchar(*text);
    putchar('\'');
}

/* The words that an option of ours takes; "" none. */
static const char *words_of(const char *option)
{
    if (strcmp(option, "format") == 0)
        return "table, json, k8s";
    return strcmp(option, "repo-type") == 0 ? "model, dataset, space" : "";
}

/* The library lists them as people do, with commas. */
static void print_words(const char *words)
{
    putchar('\'');
    for (; *words; words++)
        if (*words != ',')
            putchar(*words);
    putchar('\'');
}

/* Does the command take the option? What the library has a setting for goes with `ARGS_SETTINGS`. */
static bool takes(const struct command *command, unsigned goes_with)
{
    return !goes_with || (command->takes & goes_with);
}

/* --- bash and zsh, which reads the same script --- */

static void print_flag_word(const char *const column[7], void *user)
{
    char flag[64];

    (void)user;
    flag_of(column[0], flag, sizeof(flag));
    printf(" --%s", flag);
}

static void print_word_case(const char *const column[7], void *user)
{
    char flag[64];

    (void)user;
    flag_of(column[0], flag, sizeof(flag));
    if (column[4][0]) {
        printf("    --%s) words=", flag);
        print_words(column[4]);
        puts(" ;;");
    } else if (strcmp(column[1], "bool") == 0)
        printf("    --%s) words='true false' ;;\n", flag);
    else if (takes_path(flag))
        printf("    --%s) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n", flag);
}

static void print_switch(const char *const column[7], void *user)
{
    char flag[64];

    (void)user;
    flag_of(column[0], flag, sizeof(flag));
    if (strcmp(column[1], "bool") == 0)
        printf("|*:--%s", flag);
}

/* A word that is no option's value and names a command; bash makes `=` a word of its own. */
static void print_find_command(void)
{
    fputs("    for word in \"${COMP_WORDS[@]:1:$((COMP_CWORD-1))}\"; do\n"
          "        case $before:$word in\n"
          "        *:--*=*",
          stdout);
    for (const struct args_option *o = args_options; o->name; o++)
        if (o->value == ARGS_SWITCH)
            printf("|*:--%s", o->name);
    hfinit_each_setting(print_switch, NULL);
    fputs(") before= ;;\n"
          "        *:--*|*:=) before=option ;;\n"
          "        ",
          stdout);
    for (size_t i = 0; app_commands[i].name; i++)
        printf("%s:%s", i ? "|" : "", app_commands[i].name);
    fputs(") command=$word; break ;;\n"
          "        *) before= ;;\n"
          "        esac\n"
          "    done\n",
          stdout);
}

static void print_options_of(const struct command *command)
{
    const char *space = "";

    printf("        %s) words='", command->name);
    for (const struct args_option *o = args_options; o->name; o++)
        if (takes(command, o->goes_with)) {
            printf("%s--%s", space, o->name);
            space = " ";
        }
    fputs("'", stdout);
    if (takes(command, ARGS_SETTINGS))
        fputs("$settings", stdout);
    puts(" ;;");
}

static void print_bash(enum shell shell)
{
    if (shell == ZSH)
        fputs("autoload -Uz bashcompinit && bashcompinit\n", stdout);
    fputs("_hf_init() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=\n"
          "    local command=run word before= settings='",
          stdout);
    hfinit_each_setting(print_flag_word, NULL);
    fputs("'\n"
          "    COMPREPLY=()\n",
          stdout);
    print_find_command();
    fputs("    case $prev in\n", stdout);
    for (const struct args_option *o = args_options; o->name; o++)
        if (o->value == ARGS_FILE)
            printf("    --%s) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n", o->name);
        else if (o->value == ARGS_WORD) {
            printf("    --%s) words=", o->name);
            print_words(words_of(o->name));
            puts(" ;;");
        }
    hfinit_each_setting(print_word_case, NULL);
    fputs("    esac\n"
          "    if [[ -z $words && $cur == -* ]]; then\n"
          "        case $command in\n",
          stdout);
    for (size_t i = 0; app_commands[i].name; i++)
        print_options_of(&app_commands[i]);
    fputs("        esac\n"
          "    elif [[ -z $words && $COMP_CWORD == 1 ]]; then\n        words='",
          stdout);
    for (size_t i = 0; app_commands[i].name; i++)
        if (app_commands[i].summary)
            printf("%s%s", i ? " " : "", app_commands[i].name);
    fputs("'\n    fi\n"
          "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
          "}\n"
          "complete -o default -F _hf_init hf-init\n",
          stdout);
}

/* --- fish --- */

/* For all commands but those that do not take it, `run` among them, which no word names; else only for
 * those that do. */
static void print_fish_condition(unsigned goes_with)
{
    bool is_default = takes(app_commands, goes_with), any = false;

    for (size_t i = 0; app_commands[i].name; i++) {
        if (takes(&app_commands[i], goes_with) == is_default)
            continue;
        printf("%s %s",
               any          ? ""
               : is_default ? " -n 'not __fish_seen_subcommand_from"
                            : " -n '__fish_seen_subcommand_from",
               app_commands[i].name);
        any = true;
    }
    fputs(any ? "'" : "", stdout);
}

static void print_fish_flag(const char *const column[7], void *user)
{
    char flag[64];

    (void)user;
    flag_of(column[0], flag, sizeof(flag));
    printf("complete -c hf-init -l %s", flag);
    print_fish_condition(ARGS_SETTINGS);
    fputs(" -d ", stdout);
    print_quoted(column[5]);
    if (column[4][0]) {
        fputs(" -xa ", stdout);
        print_words(column[4]);
    } else if (strcmp(column[1], "bool") == 0)
        fputs(" -xa 'true false'", stdout);
    else
        fputs(takes_path(flag) ? " -rF" : " -x", stdout);
    putchar('\n');
}

static void print_fish(void)
{
    for (size_t i = 0; app_commands[i].name; i++) {
        if (!app_commands[i].summary)
            continue;
        printf("complete -c hf-init -n __fish_use_subcommand -f -a %s -d ", app_commands[i].name);
        print_quoted(app_commands[i].summary);
        putchar('\n');
    }
    for (const struct args_option *o = args_options; o->name; o++) {
        printf("complete -c hf-init -l %s", o->name);
        print_fish_condition(o->goes_with);
        fputs(" -d ", stdout);
        print_quoted(o->help);
        fputs(o->value == ARGS_VALUE  ? " -x"
              : o->value == ARGS_FILE ? " -rF"
              : o->value == ARGS_WORD ? " -xa "
                                      : "",
              stdout);
        if (o->value == ARGS_WORD)
            print_words(words_of(o->name));
        putchar('\n');
    }
    hfinit_each_setting(print_fish_flag, NULL);
}

int command_completion(struct app *app)
{
    const char  *shell = app->args->word_count == 1 ? app->args->word[0] : "";
    hfinit_error error;

    if (strcmp(shell, "bash") == 0 || strcmp(shell, "zsh") == 0)
        print_bash(shell[0] == 'z' ? ZSH : BASH);
    else if (strcmp(shell, "fish") == 0)
        print_fish();
    else {
        args_usage(&error, "hf-init completion bash, zsh or fish",
                   shell[0] ? "no completion for the shell \"%.40s\"" : "which shell%s?", shell);
        return app_fail(app, &error);
    }
    return 0;
}
