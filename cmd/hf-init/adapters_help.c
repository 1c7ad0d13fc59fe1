/* adapters_help.c: what --help prints of the commands that stand in for other systems' loaders. */
#include "adapters.h"

#define COMMON_OPTIONS                                                                   \
    "  --NAME VALUE         any setting of a spec; it wins over what the system says\n"  \
    "  --exit-compat        exit code 1 for every failure, as the stock loader has it\n" \
    "  --dry-run            print the plan and touch nothing\n"                          \
    "  -q, --quiet          warnings and errors only\n"                                  \
    "  -v, --verbose        say more\n"                                                  \
    "  -h, --help           this text\n"

const char storage_initializer_help[] =
    "Usage: hf-init storage-initializer SRC DEST [SRC DEST]... [OPTION]...\n"
    "\n"
    "Stands in for KServe's storage initializer; so does hf-init with an hf:// address as its first\n"
    "word, or under the name storage-initializer. SRC is hf://ORG/NAME[:REVISION], also\n"
    "hf://ORG/NAME[@REVISION][/PATH]. Several DEST are filled in one run, all or nothing; the folder\n"
    "that holds them all is the target. Other schemes are refused: leave them to the stock image.\n"
    "\n"
    "Variables: STORAGE_ALLOW_PATTERNS and STORAGE_IGNORE_PATTERNS (a JSON list, or commas),\n"
    "CA_BUNDLE_CONFIGMAP_NAME and CA_BUNDLE_VOLUME_MOUNT_POINT; HF_* and HF_INIT_* as everywhere.\n"
    "\n"
    "Options:\n" COMMON_OPTIONS "\n"
    "Examples:\n"
    "  hf-init storage-initializer hf://Qwen/Qwen2.5-0.5B-Instruct ./models\n"
    "  hf-init hf://Qwen/Qwen2.5-0.5B-Instruct:main ./models\n";

const char load_help[] =
    "Usage: hf-init load SRC DEST [OPTION]...\n"
    "\n"
    "Stands in for KubeAI's model loader, also under the name load. SRC is hf://ORG/NAME, DEST a\n"
    "folder; no .cache is left in it. In an image of its own, links named sleep, rm and bash do what\n"
    "KubeAI starts there by these names, and nothing else: see docs/adapters.md.\n"
    "\n"
    "Options:\n" COMMON_OPTIONS "\n"
    "Examples:\n"
    "  hf-init load hf://Qwen/Qwen2.5-0.5B-Instruct ./models\n";

const char llmaz_help[] =
    "Usage: hf-init llmaz [OPTION]...\n"
    "\n"
    "Stands in for llmaz's model loader, which has no arguments: MODEL_ID, REVISION, MODEL_FILENAME,\n"
    "MODEL_ALLOW_PATTERNS and MODEL_IGNORE_PATTERNS say what is fetched, into\n"
    "/workspace/models/models--ORG--NAME, or the one file into /workspace/models.\n"
    "\n"
    "Options:\n" COMMON_OPTIONS "\n"
    "Examples:\n"
    "  MODEL_ID=Qwen/Qwen2.5-0.5B-Instruct hf-init llmaz --target ./models\n";

const char aibrix_help[] =
    "Usage: hf-init aibrix --model-uri ORG/NAME [OPTION]...\n"
    "\n"
    "Stands in for AIBrix's downloader, also under the name aibrix_download. The folder of the model\n"
    "is the last line on standard output.\n"
    "\n"
    "Options:\n"
    "  --model-uri ORG/NAME the repo, also as hf://ORG/NAME\n"
    "  --local-dir DIR      where models are; else DOWNLOADER_LOCAL_DIR, /tmp/aibrix/models\n"
    "  --model-name NAME    the model's folder there; else ORG/NAME\n"
    "  --download-extra-config JSON\n"
    "                       hf_endpoint, hf_revision, num_threads, part_chunksize,\n"
    "                       allow_file_suffix, force_download; hf_token is refused\n"
    "  --enable-progress-bar\n"
    "                       means nothing here\n" COMMON_OPTIONS "\n"
    "Examples:\n"
    "  hf-init aibrix --model-uri Qwen/Qwen2.5-0.5B-Instruct --local-dir ./models\n";

const char kthena_help[] =
    "Usage: hf-init kthena --source SRC --output-dir DIR [OPTION]...\n"
    "\n"
    "Stands in for Kthena's downloader. HF_AUTH_TOKEN and HF_REVISION count as they do there.\n"
    "\n"
    "Options:\n"
    "  -s, --source SRC     ORG/NAME or hf://ORG/NAME\n"
    "  -o, --output-dir DIR the folder to fill\n"
    "  -w, --max-workers N  files at once\n"
    "  -c, --config JSON    hf_endpoint and hf_revision; hf_token is refused\n" COMMON_OPTIONS "\n"
    "Examples:\n"
    "  hf-init kthena --source hf://Qwen/Qwen2.5-0.5B-Instruct --output-dir ./models\n";
