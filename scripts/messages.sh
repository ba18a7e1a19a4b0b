#!/usr/bin/env bash
# Writes docs/messages.md: every message that a user of the library or of its programs can meet, as the sources have it.
# --check writes nothing, and fails where the file is not what the sources have.
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$root"
list() {
    cat <<'END'
# Messages

Every message, by the file that it comes from; made by `scripts/messages.sh`. `%s` and its like stand for names and numbers: of files,
operators, nodes, arguments, shapes. Messages about operators get the operator's name and its node id in front, those about an argument which
one, by its name in the schema: `operator 'aten.mm.default' (node 3): argument 1 (mat2) is 4x5, expected what 2x3 can be multiplied by`.

| status | message |
| --- | --- |
END
    find backend exec graph ops runner runtime schema selftest adapters -name '*.c' -o -name '*.cpp' | LC_ALL=C sort | xargs awk '
        # A call may go over several lines, and its text be several strings.
        function finish(   text, status, rest, piece) {
            status = match(call, /VKD_[A-Z_]+|RUN_[A-Z_]+/) ? substr(call, RSTART, RLENGTH) : ""
            rest = call; text = ""
            while (match(rest, /"([^"\\]|\\.)*"/)) {
                piece = substr(rest, RSTART + 1, RLENGTH - 2)
                rest = substr(rest, RSTART + RLENGTH)
                text = text piece
                if (rest !~ /^[ \n]*("|PRI)/) break
                if (sub(/^[ \n]*PRI[a-z0-9]+[ \n]*/, "", rest)) text = text "llu"
            }
            gsub(/\|/, "\\|", text); gsub(/\\"/, "\"", text); gsub(/</, "\\&lt;", text)
            if (text != "" && text !~ /^(%s|\\n)*$/) {
                if (shown != FILENAME) { printf "| **%s** | |\n", FILENAME; shown = FILENAME }
                printf "| %s | %s |\n", status, text
            }
            call = ""
        }
        FNR == 1 { call = "" }
        call == "" && /(vkd_fail|vkd_op_fail(_at|_value)?|vkd_shape_fail(_at|_value)?|vkd_log|run_fail|fail|complain)\(/ && !/^(static |vkd_status |run_exit |void )/ { call = $0 " "; if (/;[ ]*$/) finish(); next }
        call != "" { sub(/^ +/, ""); call = call $0 " "; if (/;[ ]*$/) finish() }
    '
}
if [[ ${1:-} == --check ]]; then
    list | diff docs/messages.md - || fail "docs/messages.md is not what the sources have: scripts/messages.sh writes it"
    exit
fi
list >docs/messages.md
echo "docs/messages.md: $(grep -c '^| [VR ]' docs/messages.md) messages"
