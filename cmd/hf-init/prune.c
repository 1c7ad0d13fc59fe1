/* prune.c: `hf-init prune`: what nobody on the volume names any more goes; what is in doubt stays. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "table.h"

struct item {
    const char *kind; /* static */
    char       *name, *kept_because;
    uint64_t    bytes, files;
};

struct result {
    struct item *item; /* owned, with its texts */
    size_t       count;
    uint64_t     freed_bytes;
};

static char *copy_of(const char *text)
{
    char *copy = strdup(text);

    if (!copy)
        abort();
    return copy;
}

static void add_item(const hfinit_pruned *what, void *user)
{
    struct result *result = user;
    struct item   *grown = realloc(result->item, (result->count + 1) * sizeof(*grown));

    if (!grown)
        abort();
    result->item = grown;
    grown[result->count++] = (struct item){what->kind, copy_of(what->name),
                                           copy_of(what->kept_because), what->bytes, what->files};
}

static void release(struct result *result)
{
    for (size_t i = 0; i < result->count; i++) {
        free(result->item[i].name);
        free(result->item[i].kept_because);
    }
    free(result->item);
}

static bool is_kept(const struct item *item)
{
    return item->kept_because[0] != '\0';
}

/* ---- for people ---- */

static void print_removed(const struct result *result)
{
    static const char *const head[] = {">SIZE", ">FILES", "KIND", "WHAT", NULL};
    struct table             table;
    char                     files[32];

    table_init(&table, head);
    for (size_t i = 0; i < result->count; i++) {
        const struct item *item = &result->item[i];

        if (is_kept(item))
            continue;
        snprintf(files, sizeof(files), "%" PRIu64, item->files);
        table_row(&table);
        table_bytes(&table, item->bytes);
        table_cell(&table, files);
        table_cell(&table, item->kind);
        table_cell(&table, item->name);
    }
    if (table.rows) {
        table_print(&table, stdout);
        putchar('\n');
    }
    table_release(&table);
}

static void print_kept(const struct result *result)
{
    bool any = false;

    for (size_t i = 0; i < result->count; i++) {
        const struct item *item = &result->item[i];

        if (!is_kept(item))
            continue;
        fputs(any ? "" : "Kept:\n", stdout);
        any = true;
        printf("  %s", item->kind);
        fputs(item->name[0] ? " " : "", stdout);
        table_print_line(stdout, item->name);
        if (!item->name[0])
            printf(" (%" PRIu64 ")", item->files);
        else if (item->files > 1)
            printf(" (%" PRIu64 " files)", item->files);
        fputs(": ", stdout);
        table_print_line(stdout, item->kept_because);
        putchar('\n');
    }
    fputs(any ? "\n" : "", stdout);
}

static void print_text(const struct result *result, bool dry_run)
{
    char bytes[24];

    print_removed(result);
    print_kept(result);
    table_format_bytes(result->freed_bytes, bytes);
    printf("%s %s\n", bytes, dry_run ? "would be freed" : "freed");
}

/* ---- JSON: manifests/prune.schema.json ---- */

static void print_item(const struct item *item)
{
    printf("    {\"kind\": \"%s\", \"name\": ", item->kind);
    table_print_json(stdout, item->name);
    printf(", \"files\": %" PRIu64 ", ", item->files);
    if (is_kept(item)) {
        fputs("\"because\": ", stdout);
        table_print_json(stdout, item->kept_because);
    } else {
        printf("\"bytes\": %" PRIu64, item->bytes);
    }
    putchar('}');
}

static void print_list(const struct result *result, const char *name, bool kept)
{
    bool any = false;

    printf("  \"%s\": [", name);
    for (size_t i = 0; i < result->count; i++) {
        if (is_kept(&result->item[i]) != kept)
            continue;
        fputs(any ? ",\n" : "\n", stdout);
        any = true;
        print_item(&result->item[i]);
    }
    fputs(any ? "\n  ]" : "]", stdout);
}

static void print_json(const struct result *result, bool dry_run)
{
    printf("{\n  \"schema\": \"hf-init/prune/v1\",\n  \"dryRun\": %s,\n  \"bytesFreed\": %" PRIu64
           ",\n",
           dry_run ? "true" : "false", result->freed_bytes);
    print_list(result, "removed", false);
    fputs(",\n", stdout);
    print_list(result, "kept", true);
    fputs("\n}\n", stdout);
}

int command_prune(struct app *app)
{
    const struct args *args = app->args;
    struct result      result = {0};
    hfinit_error       error = {0};
    int                rc;

    if (app_load(app, HFINIT_WITHOUT_TOKEN | HFINIT_WITHOUT_REPOS, &error) != 0)
        return app_fail(app, &error);
    signals_guard(app->signals, app->h, NULL);
    rc = hfinit_prune(app->h, args->dry_run, add_item, &result, &result.freed_bytes, &error);
    signals_unguard(app->signals);
    if (rc == 0 || result.count) { /* what went before it was stopped is gone */
        if (args->json)
            print_json(&result, args->dry_run);
        else
            print_text(&result, args->dry_run);
    }
    release(&result);
    return rc ? app_fail(app, &error) : 0;
}
