/* adapters_table.c: one row per system; adapters.h says how a row is read. Facts are those of the
 * systems' sources, as of August 2026; docs/adapters.md tells them to people. */
#include "adapters.h"

#define WORD(their, our, ...) {.theirs = their, .ours = our, __VA_ARGS__}

static const char on[] = "1=on true=on yes=on on=on *=";

static const char token_why[] =
    "a token here can be read by everyone who may read the pod or its ConfigMap; set HF_TOKEN from "
    "a Secret, or say --token-file PATH";

/* ---- KServe: kserve_storage.py, initializer-entrypoint ---- */

static const struct adapter_word kserve_variables[] = {
    WORD("STORAGE_ALLOW_PATTERNS", "allow", .traits = WORD_IS_PATTERNS),
    WORD("STORAGE_IGNORE_PATTERNS", "ignore", .traits = WORD_IS_PATTERNS),
    WORD("CA_BUNDLE_CONFIGMAP_NAME", "tls-ca-file", .form = "/etc/ssl/custom-certs/cabundle.crt"),
    WORD("CA_BUNDLE_VOLUME_MOUNT_POINT", "tls-ca-file", .form = "%/cabundle.crt"),
    WORD("STORAGE_CONFIG", NULL, .traits = WORD_IS_JSON),
    WORD("STORAGE_OVERRIDE_CONFIG", NULL, .traits = WORD_IS_JSON),
    WORD("CONFIDENTIAL_ENABLED", NULL, .words = "true=! *=",
         .why = "hf-init cannot decrypt models; leave these to the stock storage initializer"),
    {0},
};

/* ---- llmaz: model_loader/constant.py ---- */

static const struct adapter_word llmaz_variables[] = {
    WORD("MODEL_SOURCE_TYPE", NULL, .words = "modelhub= *=!",
         .why = "only modelhub is fetched; leave object stores to llmaz's own loader"),
    WORD("MODEL_HUB_NAME", NULL, .words = "huggingface= *=!",
         .why = "only Huggingface is fetched; leave other hubs to llmaz's own loader"),
    WORD("MODEL_ID", OUR_SOURCE),
    WORD("REVISION", "revision"),
    WORD("MODEL_FILENAME", "files", .traits = WORD_IS_ITEM),
    WORD("MODEL_ALLOW_PATTERNS", "allow", .traits = WORD_IS_LIST),
    WORD("MODEL_IGNORE_PATTERNS", "ignore", .traits = WORD_IS_LIST),
    {0},
};

/* ---- AIBrix: downloader/__main__.py, downloader/base.py, envs.py ---- */

static const struct adapter_word aibrix_arguments[] = {
    WORD("model-uri", OUR_SOURCE),
    WORD("local-dir", "target"),
    WORD("model-name", "path"),
    WORD("enable-progress-bar", NULL, .traits = WORD_IS_SWITCH),
    WORD("download-extra-config", NULL, .traits = WORD_IS_JSON),
    {0},
};

static const struct adapter_word aibrix_variables[] = {
    WORD("DOWNLOADER_LOCAL_DIR", "target"),
    WORD("DOWNLOADER_NUM_THREADS", "concurrency-files"),
    WORD("DOWNLOADER_PART_CHUNKSIZE", "concurrency-part-size"),
    WORD("DOWNLOADER_PART_THRESHOLD", NULL),
    WORD("DOWNLOADER_ALLOW_FILE_SUFFIX", "allow", .traits = WORD_IS_LIST, .form = "*.%"),
    WORD("DOWNLOADER_FORCE_DOWNLOAD", OUR_FORCE, .words = on),
    WORD("HF_REVISION", "revision"),
    {0},
};

static const struct adapter_word aibrix_keys[] = {
    WORD("hf_token", NULL, .words = "*=!", .why = token_why),
    WORD("hf_endpoint", "endpoint"),
    WORD("hf_revision", "revision"),
    WORD("num_threads", "concurrency-files"),
    WORD("part_chunksize", "concurrency-part-size"),
    WORD("allow_file_suffix", "allow", .traits = WORD_IS_ITEM, .form = "*.%"),
    WORD("force_download", OUR_FORCE, .words = on),
    {0},
};

/* ---- Kthena: downloader/app.py ---- */

static const struct adapter_word kthena_arguments[] = {
    WORD("source", OUR_SOURCE),
    WORD("output-dir", "target"),
    WORD("max-workers", "concurrency-files"),
    WORD("config", NULL, .traits = WORD_IS_JSON),
    {0},
};

static const struct adapter_word kthena_variables[] = {
    WORD("HF_AUTH_TOKEN", "token-env", .form = "HF_AUTH_TOKEN"),
    WORD("HF_REVISION", "revision"),
    {0},
};

static const struct adapter_word kthena_keys[] = {
    WORD("hf_token", NULL, .words = "*=!", .why = token_why),
    WORD("hf_endpoint", "endpoint"),
    WORD("hf_revision", "revision"),
    {0},
};

/* ---- OME: config/ome-agent/ome-agent.yaml, pkg/hfutil/hub/config.go ---- */

static const char offline_why[] = "a run is offline with HF_HUB_OFFLINE=1 in its environment";

static const struct adapter_word ome_keys[] = {
    WORD("model_name", OUR_SOURCE),
    WORD("local_path", "target"),
    WORD("revision", "revision"),
    WORD("repo_type", "type"),
    WORD("endpoint", "endpoint"),
    WORD("hf_token", NULL, .words = "*=!", .why = token_why),
    WORD("max_workers", "concurrency-files"),
    WORD("num_connections", "concurrency-connections"),
    WORD("chunk_size", "concurrency-part-size"),
    WORD("max_retries", "retry-attempts", .words = "0=1 *=%"),
    WORD("retry_interval", "retry-max-wait"),
    WORD("etag_timeout", "timeouts-connect"),
    WORD("download_size_limit_gb", "max-bytes", .form = "%GiB"),
    WORD("enable_size_limit_check", OUR_LIMIT, .words = "false=off 0=off *="),
    WORD("skip_sha", "verify", .words = "true=size 1=size *="),
    WORD("verify_ssl", NULL, .words = "false=! 0=! *=",
         .why = "certificates are always checked; name further roots with --tls-ca-file FILE"),
    WORD("local_files_only", NULL, .words = "true=! 1=! *=", .why = offline_why),
    WORD("enable_offline_mode", NULL, .words = "true=! 1=! *=", .why = offline_why),
    WORD("disable_progress_bars", "progress", .words = "true=lines 1=lines *="),
    WORD("enable_progress", "progress", .words = "false=none 0=none *="),
    WORD("progress_display_mode", "progress",
         .words = "0=auto auto=auto 1=bars bars=bars 2=lines log=lines"),
    WORD("log_level", "log-level",
         .words =
             "trace=debug debug=debug info=info warn=warn error=error fatal=error panic=error"),
    {0},
};

const struct adapter adapters[] = {
    {"storage-initializer", "KServe", "SRC DEST, such as hf://ORG/NAME /mnt/models",
     .pairs = ADAPTER_PAIRS_MAX, .says_kserve = true, .variables = kserve_variables,
     .settle = adapter_settle_kserve},
    {"load", "KubeAI", "SRC DEST, such as hf://ORG/NAME /models/NAME", .pairs = 1,
     .defaults = {"hub-metadata=false"}},
    {"llmaz", "llmaz", "MODEL_ID", .plain_ids = true, .own_state = true,
     .defaults = {"target=/workspace/models"}, .variables = llmaz_variables,
     .settle = adapter_settle_llmaz},
    {"aibrix", "AIBrix", "--model-uri ORG/NAME", .plain_ids = true, .own_state = true,
     .prints_path = true, .defaults = {"target=/tmp/aibrix/models"}, .arguments = aibrix_arguments,
     .variables = aibrix_variables, .keys = aibrix_keys},
    {"kthena", "Kthena", "--source hf://ORG/NAME", .plain_ids = true, .defaults = {"path=."},
     .arguments = kthena_arguments, .variables = kthena_variables, .keys = kthena_keys},
    {"ome", "OME", "model_name", .plain_ids = true, .defaults = {"path=."}, .keys = ome_keys,
     .settle = adapter_settle_ome},
    {0},
};
