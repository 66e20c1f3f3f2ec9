#!/bin/sh
# Installs RobustMQ Cloud for one user, without root: `robust-server` and `robust-ctl`.
#
#   sh install.sh [--prefix DIR] [SOURCE]     SOURCE: release tarball (path or http(s) URL) or a checkout
#   sh install.sh [--prefix DIR] --uninstall
#
# Without SOURCE the checkout or release that this script lies in is installed. Everything goes below the prefix (default
# ~/.local): lib/robustmq and two commands in bin. It may be run again at any time: the same release is left as it is,
# another one takes its place in one step. Data (~/.robustmq, or ROBUSTMQ_HOME) is never touched.
set -eu

NODE_MAJOR_MIN=20
MARK='# made by the install script of RobustMQ Cloud'

say() { printf '%s\n' "$*"; }
fail() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}
usage() {
  say 'Usage: sh install.sh [--prefix DIR] [--uninstall] [release tarball, its URL, or a checkout]'
}

prefix=${HOME:-}/.local
source=
uninstall=no
while [ $# -gt 0 ]; do
  case $1 in
    --prefix)
      [ $# -ge 2 ] || fail '--prefix needs a directory.'
      prefix=$2
      shift
      ;;
    --prefix=*) prefix=${1#--prefix=} ;;
    --uninstall) uninstall=yes ;;
    -h | --help)
      usage
      exit 0
      ;;
    -*)
      usage >&2
      exit 2
      ;;
    *) source=$1 ;;
  esac
  shift
done
case $prefix in
  /*) ;;
  '' | .) prefix=$PWD ;;
  *) prefix=$PWD/$prefix ;;
esac
lib=$prefix/lib/robustmq
bin=$prefix/bin

# Removes the commands, but nothing of the same name that somebody else put there.
remove_commands() {
  for name in robust-server robust-ctl; do
    if [ -f "$bin/$name" ] && grep -qF "$MARK" "$bin/$name"; then rm -f "$bin/$name"; fi
  done
}

if [ "$uninstall" = yes ]; then
  [ -d "$lib" ] || say "RobustMQ Cloud is not installed in $prefix."
  remove_commands
  rm -rf "$lib"
  say "RobustMQ Cloud is removed from $prefix. Its data stays in ${ROBUSTMQ_HOME:-${HOME:-}/.robustmq}."
  exit 0
fi

command -v node >/dev/null 2>&1 ||
  fail "Node.js is not installed: install Node.js $NODE_MAJOR_MIN or newer (https://nodejs.org) and run this again."
version=$(node -p 'process.versions.node')
[ "${version%%.*}" -ge "$NODE_MAJOR_MIN" ] ||
  fail "Node.js $version is too old: install Node.js $NODE_MAJOR_MIN or newer and run this again."
command -v npm >/dev/null 2>&1 || fail 'npm is not installed: install it (it comes with Node.js) and run this again.'
command -v tar >/dev/null 2>&1 || fail 'tar is not installed: install it and run this again.'

mkdir -p "$prefix/lib" "$bin" 2>/dev/null || fail "$prefix cannot be written: choose another directory with --prefix."
[ -w "$prefix/lib" ] && [ -w "$bin" ] || fail "$prefix cannot be written: choose another directory with --prefix."
for name in robust-server robust-ctl; do
  if [ -e "$bin/$name" ] && ! grep -qF "$MARK" "$bin/$name"; then
    fail "$bin/$name is not from this script: remove it, or choose another directory with --prefix."
  fi
done

work=$(mktemp -d "$prefix/lib/.robustmq-install.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# The first 64 characters of a file named *.sha256 are the digest.
check_digest() {
  wanted=$(cut -c1-64 "$2")
  found=$(node -e '
    const hash = require("node:crypto").createHash("sha256");
    process.stdout.write(hash.update(require("node:fs").readFileSync(process.argv[1])).digest("hex"));' "$1")
  [ "$wanted" = "$found" ] || fail "$3 is damaged: its SHA-256 is not the one in $3.sha256."
}

# Exit code 1: nobody gives us the file.
download() {
  node -e '
    const [url, file] = process.argv.slice(1);
    fetch(url).then(async (answer) => {
      if (!answer.ok) throw new Error(`${url} answers ${answer.status}`);
      require("node:fs").writeFileSync(file, Buffer.from(await answer.arrayBuffer()));
    }).catch((error) => { console.error(`${error.message} ${error.cause?.message ?? ""}`); process.exit(1); });' "$1" "$2"
}

if [ -z "$source" ]; then
  here=$(cd "$(dirname "$0")" 2>/dev/null && pwd) || here=
  source=$(cd "$here/../.." 2>/dev/null && pwd) || source=
  [ -n "$here" ] && [ -f "$source/infra/server/start.mjs" ] ||
    fail 'say what to install: a release tarball, its URL, or a checkout.'
fi
case $source in
  http://* | https://*)
    say "… download $source"
    tarball=$work/release.tar.gz
    download "$source" "$tarball" || fail "$source cannot be downloaded."
    if download "$source.sha256" "$tarball.sha256" 2>/dev/null; then check_digest "$tarball" "$tarball.sha256" "$source"; fi
    ;;
  *)
    if [ -d "$source" ]; then
      if [ -f "$source/release.json" ]; then
        # an unpacked release
        tarball=$work/release.tar.gz
        tar -czf "$tarball" --exclude node_modules -C "$(dirname "$source")" "$(basename "$source")"
      elif [ -f "$source/infra/install/release.mjs" ]; then
        say "… build a release from $source"
        node "$source/infra/install/release.mjs" --out "$work" >"$work/release.log" 2>&1 ||
          fail "no release can be built from $source: $(cat "$work/release.log")"
        tarball=$(tail -n 1 "$work/release.log")
      else
        fail "$source is neither a release nor a checkout of RobustMQ Cloud."
      fi
    elif [ -f "$source" ]; then
      tarball=$source
      if [ -f "$source.sha256" ]; then check_digest "$source" "$source.sha256" "$source"; fi
    else
      fail "$source does not exist."
    fi
    ;;
esac

mkdir "$work/unpacked"
tar -xzf "$tarball" -C "$work/unpacked" --strip-components 1 2>/dev/null || fail "$source is not a release tarball."
[ -f "$work/unpacked/release.json" ] || fail "$source is not a release of RobustMQ Cloud."
release=$(node -p 'require(process.argv[1]).version' "$work/unpacked/release.json")
# The same files make the same fingerprint, however and whenever they were packed.
fingerprint=$(cd "$work/unpacked" && find . -type f | LC_ALL=C sort | while IFS= read -r file; do
  cksum "$file"
done | cksum)

if [ -f "$lib/.installed" ] && [ "$(cat "$lib/.installed")" = "$fingerprint" ]; then
  say "RobustMQ Cloud $release is installed in $prefix already."
else
  say "… install packages of RobustMQ Cloud $release (about a minute)"
  (cd "$work/unpacked" && npm ci --omit=dev --no-audit --no-fund --loglevel=error) >"$work/npm.log" 2>&1 ||
    fail "npm could not install the packages: $(head -n 12 "$work/npm.log")"
  printf '%s\n' "$fingerprint" >"$work/unpacked/.installed"
  # Two renames: whatever happens between them, one whole copy is there.
  if [ -d "$lib" ]; then mv "$lib" "$work/replaced"; fi
  mv "$work/unpacked" "$lib"
fi

# A command that finds its program even when Node.js is later removed or replaced.
write_command() {
  {
    printf '%s\n%s\n' '#!/bin/sh' "$MARK"
    printf "lib='%s'\n" "$(printf %s "$lib" | sed "s/'/'\\\\''/g")"
    cat <<'EOF'
for node in "$lib"/node_modules/node-linux-*/bin/node; do
  if [ -x "$node" ]; then break; fi
  node=node
done
EOF
    printf 'exec "$node" "$lib/%s" "$@"\n' "$2"
  } >"$work/$1"
  chmod 755 "$work/$1"
  mv "$work/$1" "$bin/$1"
}
write_command robust-server infra/server/bin/robust-server.mjs
write_command robust-ctl control-plane/cli/bin/robust-ctl.mjs

say "RobustMQ Cloud $release is in $lib."
case :${PATH:-}: in
  *:"$bin":*) say 'Start it: robust-server start' ;;
  *)
    say "Start it: $bin/robust-server start"
    say "To call the commands by name, put this into your shell's profile: export PATH=\"$bin:\$PATH\""
    ;;
esac
