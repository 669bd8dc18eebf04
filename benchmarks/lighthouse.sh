#!/bin/sh
# Lighthouse on one page of the built book, served with gzip as a web server would.
#
#     benchmarks/lighthouse.sh [PAGE] [SITE] [DEVICE]      PAGE: book/01-rnn.html   SITE: _build/html   DEVICE: desktop, or phone
#
# Needs Node with npm (Lighthouse is fetched into a temporary folder), Chromium (CHROME_PATH, or `chromium` on PATH) and .venv. Prints the
# four scores, the timings behind the first, and every audit that cost points. Run it on a machine that does nothing else.
set -eu

page=${1:-book/01-rnn.html}
root=$(cd "$(dirname "$0")/.." && pwd)
site=${2:-$root/_build/html}
case ${3:-desktop} in
  desktop) preset=--preset=desktop ;;
  phone) preset=--form-factor=mobile ;; # with a slow network and a slow processor, as Lighthouse does it
  *) echo "DEVICE is desktop or phone, not $3." >&2; exit 1 ;;
esac
[ -f "$site/$page" ] || { echo "There is no $site/$page: build the book first (make book)." >&2; exit 1; }
command -v npm >/dev/null || { echo "Lighthouse needs Node: install node and npm." >&2; exit 1; }
CHROME_PATH=${CHROME_PATH:-$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)}
[ -n "$CHROME_PATH" ] || { echo "No Chromium found: install it or name it by CHROME_PATH." >&2; exit 1; }
export CHROME_PATH

folder=$(mktemp -d)
trap 'kill "$server" 2>/dev/null; rm -rf "$folder"' EXIT
server=
npm install --silent --no-fund --no-audit --prefix "$folder" lighthouse@12
"$root/.venv/bin/python" "$root/benchmarks/serve_gzip.py" "$site" > "$folder/port" &
server=$!
while [ ! -s "$folder/port" ]; do sleep 0.1; done

"$folder/node_modules/.bin/lighthouse" "http://127.0.0.1:$(cat "$folder/port")/$page" $preset --quiet \
  --chrome-flags="--headless=new --no-sandbox --disable-gpu" --output=json --output-path="$folder/report.json"

"$root/.venv/bin/python" - "$folder/report.json" <<'PYTHON'
import json
import sys

report = json.load(open(sys.argv[1], encoding="utf-8"))
audits = report["audits"]
for name, category in report["categories"].items():
    print(f"{name:16} {100 * category['score']:.0f}")
for name in ("first-contentful-paint", "largest-contentful-paint", "total-blocking-time", "cumulative-layout-shift", "speed-index"):
    print(f"  {name:26} {audits[name]['displayValue']}")
for name, category in report["categories"].items():
    for audit in (audits[reference["id"]] for reference in category["auditRefs"] if reference["weight"]):
        if audit["score"] is not None and audit["score"] < 1:
            print(f"  below 100 in {name}: {audit['id']} {100 * audit['score']:.0f}")
PYTHON
