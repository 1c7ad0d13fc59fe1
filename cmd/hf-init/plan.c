/* plan.c: `hf-init plan`: what a run would do, as a table, as JSON (manifests/plan.schema.json) or as
 * stanzas for a pod (plan_k8s.c) on standard output. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "table.h"

/* "main -> 0123456789ab", or just the commit if that is what was asked for. */
static void format_revision(const hfinit_plan_repo *repo, char *out, size_t size)
{
    if (!repo->commit[0])
        snprintf(out, size, "%s", repo->revision);
    else if (strcmp(repo->revision, repo->commit) == 0)
        snprintf(out, size, "%.12s", repo->commit);
    else
        snprintf(out, size, "%s -> %.12s", repo->revision, repo->commit);
}

const char *plan_prefix(const hfinit_plan_repo *repo)
{
    return strcmp(repo->type, "dataset") == 0 ? "datasets/"
           : strcmp(repo->type, "space") == 0 ? "spaces/"
                                              : "";
}

static void add_repo(struct table *table, const hfinit_plan_repo *repo)
{
    char name[256], revision[320], files[32];

    snprintf(name, sizeof(name), "%s%s", plan_prefix(repo), repo->id);
    format_revision(repo, revision, sizeof(revision));
    table_row(table);
    table_cell(table, name);
    table_cell(table, revision);
    if (repo->failed) {
        for (int i = 0; i < 3; i++)
            table_cell(table, "-");
        table_cell(table, repo->optional ? "failed (optional)" : "failed");
        return;
    }
    snprintf(files, sizeof(files), "%" PRIu64, repo->files);
    table_cell(table, files);
    table_bytes(table, repo->bytes);
    table_bytes(table, repo->bytes_present);
    table_bytes(table, repo->bytes_to_fetch);
}

static void print_repos(const hfinit_plan *plan)
{
    static const char *const head[] = {"REPO",   "REVISION",  ">FILES", ">SIZE",
                                       ">THERE", ">TO FETCH", NULL};
    struct table             table;
    char                     files[32];

    table_init(&table, head);
    for (size_t i = 0; i < plan->repo_count; i++)
        add_repo(&table, &plan->repo[i]);
    if (plan->repo_count > 1) {
        snprintf(files, sizeof(files), "%" PRIu64, plan->files);
        table_row(&table);
        table_cell(&table, "all");
        table_cell(&table, "");
        table_cell(&table, files);
        table_bytes(&table, plan->bytes);
        table_bytes(&table, plan->bytes_present);
        table_bytes(&table, plan->bytes_to_fetch);
    }
    table_print(&table, stdout);
    table_release(&table);
}

static void print_volumes(const hfinit_plan *plan)
{
    static const char *const head[] = {"VOLUME", ">TO WRITE", ">RESERVE", ">FREE",
                                       ">SIZE",  "FITS",      NULL};
    struct table             table;

    if (!plan->volume_count)
        return;
    putchar('\n');
    table_init(&table, head);
    for (size_t i = 0; i < plan->volume_count; i++) {
        const hfinit_plan_volume *volume = &plan->volume[i];

        table_row(&table);
        table_cell(&table, volume->path);
        table_bytes(&table, volume->need_bytes);
        table_bytes(&table, volume->reserve_bytes);
        table_bytes(&table, volume->free_bytes);
        table_bytes(&table, volume->total_bytes);
        table_cell(&table, volume->fits ? "yes" : "NO");
    }
    table_print(&table, stdout);
    table_release(&table);
}

static void print_failures(const hfinit_plan *plan)
{
    bool first = true;

    for (size_t i = 0; i < plan->repo_count; i++) {
        if (!plan->repo[i].failed)
            continue;
        fputs(first ? "\n" : "", stdout);
        first = false;
        table_print_line(stdout, plan->repo[i].error); /* begins with the repo */
        putchar('\n');
    }
}

/* The answer, for who reads one line only. */
static void print_sum(const hfinit_plan *plan, const char *answer)
{
    char     bytes[24];
    uint64_t there = 0, failed = 0;

    for (size_t i = 0; i < plan->repo_count; i++) {
        there += plan->repo[i].files_present;
        failed += plan->repo[i].failed;
    }
    if (failed == plan->repo_count)
        return;
    table_format_bytes(plan->bytes_to_fetch, bytes);
    putchar('\n');
    if (there == plan->files && failed)
        printf("Nothing to fetch for the repos that could be looked at: all %" PRIu64
               " files are there.\n",
               plan->files);
    else if (there == plan->files)
        printf("Nothing to fetch: all %" PRIu64 " files are there.\n", plan->files);
    else
        printf("%s to fetch for %" PRIu64 " of %" PRIu64 " files%s\n", bytes, plan->files - there,
               plan->files, answer);
}

static void print_table(const hfinit_plan *plan, const char *answer)
{
    print_repos(plan);
    print_volumes(plan);
    print_failures(plan);
    print_sum(plan, answer);
}

/* ---- JSON ---- */

static void print_text(const char *key, const char *text, const char *after)
{
    printf("\"%s\": ", key);
    table_print_json(stdout, text);
    fputs(after, stdout);
}

static void print_number(const char *key, uint64_t number, const char *after)
{
    printf("\"%s\": %" PRIu64 "%s", key, number, after);
}

static void print_json_repo(const hfinit_plan_repo *repo)
{
    fputs("    {", stdout);
    print_text("type", repo->type, ", ");
    print_text("id", repo->id, ", ");
    print_text("revision", repo->revision, ", ");
    if (repo->commit[0])
        print_text("commit", repo->commit, ", ");
    print_text("folder", repo->folder, ", ");
    printf("\"optional\": %s, ", repo->optional ? "true" : "false");
    if (repo->failed)
        print_text("error", repo->error, ", ");
    print_number("files", repo->files, ", ");
    print_number("filesPresent", repo->files_present, ", ");
    print_number("bytes", repo->bytes, ", ");
    print_number("bytesPresent", repo->bytes_present, ", ");
    print_number("bytesToFetch", repo->bytes_to_fetch, "}");
}

static void print_json_volume(const hfinit_plan_volume *volume)
{
    fputs("    {", stdout);
    print_text("path", volume->path, ", ");
    print_number("needBytes", volume->need_bytes, ", ");
    print_number("reserveBytes", volume->reserve_bytes, ", ");
    print_number("freeBytes", volume->free_bytes, ", ");
    print_number("totalBytes", volume->total_bytes, ", ");
    printf("\"fits\": %s}", volume->fits ? "true" : "false");
}

static void print_json(const hfinit_plan *plan)
{
    fputs("{\n  \"schema\": \"hf-init/plan/v1\",\n  \"repos\": [", stdout);
    for (size_t i = 0; i < plan->repo_count; i++) {
        fputs(i ? ",\n" : "\n", stdout);
        print_json_repo(&plan->repo[i]);
    }
    fputs(plan->repo_count ? "\n  ],\n  \"volumes\": [" : "],\n  \"volumes\": [", stdout);
    for (size_t i = 0; i < plan->volume_count; i++) {
        fputs(i ? ",\n" : "\n", stdout);
        print_json_volume(&plan->volume[i]);
    }
    fputs(plan->volume_count ? "\n  ],\n  \"totals\": {" : "],\n  \"totals\": {", stdout);
    print_number("files", plan->files, ", ");
    print_number("bytes", plan->bytes, ", ");
    print_number("bytesPresent", plan->bytes_present, ", ");
    print_number("bytesToFetch", plan->bytes_to_fetch, "}\n}\n");
}

enum format { TABLE, JSON, K8S };

static int read_format(const struct args *args, enum format *format, hfinit_error *error)
{
    static const char *const names[] = {[TABLE] = "table", [JSON] = "json", [K8S] = "k8s"};

    *format = args->json ? JSON : TABLE;
    if (!args->format)
        return 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(args->format, names[i]) != 0)
            continue;
        *format = (enum format)i;
        return args->json && i != JSON
                   ? args_usage(error, "leave one of them out", "--json and --format %s", names[i])
                   : 0;
    }
    return args_usage(error, "--format table, json or k8s", "there is no format \"%.40s\"",
                      args->format);
}

/* The machine that plans is not the node that the pod will run on. */
static bool is_about_this_disk(const hfinit_error *error)
{
    return strcmp(error->reason, "InsufficientDisk") == 0 ||
           strcmp(error->reason, "QuotaExceeded") == 0;
}

/* One that does not fit is shown all the same, and so is a repo that failed; but where nothing could be
 * asked or looked at there is none. */
static bool tells_something(const hfinit_plan *plan)
{
    for (size_t i = 0; i < plan->repo_count; i++)
        if (plan->repo[i].failed)
            return true;
    return plan->files > 0;
}

/* Whether it fits is looked at last: not where a repo has failed. */
static const char *answer_of(int rc, const hfinit_error *error)
{
    if (rc == 0)
        return ", and it fits.";
    return is_about_this_disk(error) ? ", which does NOT fit." : ".";
}

int app_show_plan(struct app *app)
{
    hfinit_error error = {0};
    hfinit_plan  plan = {0};
    enum format  format;
    int          rc;

    if (read_format(app->args, &format, &error) != 0)
        return app_fail(app, &error);
    rc = hfinit_make_plan(app->h, &plan, &error);
    if (format == K8S) {
        if (rc && is_about_this_disk(&error))
            rc = 0;
        if (rc == 0)
            plan_print_k8s(&plan);
    } else if (rc == 0 || tells_something(&plan)) {
        if (format == JSON)
            print_json(&plan);
        else
            print_table(&plan, answer_of(rc, &error));
    }
    hfinit_plan_release(&plan);
    return rc ? app_fail(app, &error) : 0;
}

int command_plan(struct app *app)
{
    hfinit_error error = {0};
    enum format  ignored;

    /* A slip is told before anything is read or asked. */
    if (read_format(app->args, &ignored, &error) != 0 || app_load(app, 0, &error) != 0)
        return app_fail(app, &error);
    return app_show_plan(app);
}
