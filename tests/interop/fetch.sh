# fetch.sh - brings foreign clients of pinned versions into a cache outside of the tree, once; sourced after common.sh.
# A client whose toolchain or registry is out of reach is skipped aloud (77), and so is one that takes too long to come.
cache=${KILN_CLIENTS:-${XDG_CACHE_HOME:-$HOME/.cache}/kiln-clients} # safe to delete
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
FETCH_SECONDS=60 # what came so far is kept where the client keeps it, and the next run goes on from there
SILENT_MINUTES=10 # a registry that did not answer in time is not asked again so soon

skip() {
    printf 'SKIPPED: %s\n' "$*"
    exit 77
}

# once KIND NAME COMMAND...: runs the command in a new folder, which becomes $cache/NAME when it succeeded; sets $place.
# Of one kind is what comes from one registry.
once() {
    local kind=$1 name=$2 new status
    local silent=$cache/.silent-$kind
    shift 2
    place=$cache/$name
    [[ -e $place ]] && return
    [[ -z $(find "$silent" -mmin "-$SILENT_MINUTES" 2>/dev/null) ]] ||
        skip "$name cannot be fetched: another of its kind took more than $FETCH_SECONDS s just now"
    mkdir -p "$cache" && new=$(mktemp -d "$cache/.new.XXXXXX") || skip "$cache cannot be written"
    (cd "$new" && timeout -k 5 "$FETCH_SECONDS" nice "$@") >"$work/fetch.log" 2>&1
    status=$?
    if [[ $status -ne 0 ]]; then
        rm -rf "$new"
        if [[ $status -eq 124 || $status -eq 137 ]]; then
            : >"$silent"
            skip "$name did not come within $FETCH_SECONDS s: $(tail -1 "$work/fetch.log")"
        fi
        skip "$name cannot be fetched: $(tail -1 "$work/fetch.log")"
    fi
    mv -T "$new" "$place" 2>/dev/null || rm -rf "$new" # another test was faster
    [[ -d $place ]] || skip "$place could not be made"
}

# fetch_python NAME REQUIREMENT...: wheels for this Python, none of which is built here; sets PYTHONPATH.
fetch_python() {
    local name=$1
    shift
    need python3
    python3 -m pip --version >/dev/null 2>&1 || skip "pip is missing; install it with: apt-get install python3-pip"
    local tag
    tag=$(python3 -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
    once python "$name-$tag" python3 -m pip --no-input --disable-pip-version-check -q install --only-binary :all: --target . "$@"
    export PYTHONPATH=$place PYTHONDONTWRITEBYTECODE=1
}

fetch_kafka_python() {
    fetch_python kafka-python-3.0.12 kafka-python==3.0.12 lz4==4.4.5 python-snappy==0.7.3 cramjam==2.14.0 \
        zstandard==0.25.0 crc32c==2.9.post0
}

# fetch_go COMMAND: one of the programs in clients/, with the modules that go.sum pins; sets $place to its folder.
fetch_go() {
    need go golang-go
    local sources
    sources=$(cd "$here/clients" && cat go.mod go.sum steps/*.go "$1"/*.go | sha256sum)
    export GOMODCACHE=$cache/go-mod GOCACHE=$cache/go-build GOTOOLCHAIN=local GOFLAGS="-mod=readonly -modcacherw"
    once go "go-$1-$(go env GOVERSION)-${sources:0:12}" sh -c 'out=$PWD; cd "$0" && go build -o "$out" "./$1"' "$here/clients" "$1"
}

# fetch_node: the packages that package-lock.json pins; sets NODE_PATH.
fetch_node() {
    need node nodejs
    need npm
    local lock
    lock=$(sha256sum <"$here/clients/package-lock.json")
    once node "node-${lock:0:12}" sh -c 'cp "$0/package.json" "$0/package-lock.json" . &&
        npm ci --ignore-scripts --no-audit --no-fund' "$here/clients"
    export NODE_PATH=$place/node_modules
}

# fetch_kafka: the jars of Apache Kafka, as for the benchmarks; sets $peers, and $jars for a class path.
fetch_kafka() {
    peers=$here/../../bench/peers/kafka
    need java default-jdk-headless
    local java
    java=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -1)
    [[ ${java:-0} -ge 17 ]] || skip "Kafka's clients need Java 17 or newer; this one is ${java:-unknown}"
    timeout -k 5 "$FETCH_SECONDS" "$peers/install" >"$work/fetch.log" 2>&1 ||
        skip "Kafka's jars are not there and cannot be fetched: $(tail -1 "$work/fetch.log")"
    jars=${PEERS_HOME:-$HOME/.cache/kiln-peers}/kafka-${KAFKA_VERSION:-4.3.1}
}

# fetch_java: sets $java to what runs a source file beside Kafka's jars.
fetch_java() {
    fetch_kafka
    java --list-modules 2>/dev/null | grep -q '^jdk.compiler' || skip "java cannot compile; install default-jdk-headless"
    java=(java -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC
        "-Dlog4j2.configurationFile=$peers/tool-log4j2.properties" -cp "$jars/*")
}
