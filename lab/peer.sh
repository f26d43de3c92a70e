#!/usr/bin/env bash
# The peer: a mainline kernel as Debian has it, the newest linux-source-7.* of its
# suites, with the configuration of ours. Prints the name of its bzImage, and
# builds it where it is not there yet. It is driven through the uAPI only.
#
#	[PEER_PACKAGE=linux-source-7.3] [PEER_SUITES="sid ..."] lab/peer.sh
#
# All of it is in $CACHE/peer: remove that to have the newest. `version` there says
# what it is, `config.differs` what of our configuration it does not have.
. "$(dirname "$0")/lib.sh"

peer=$CACHE/peer
suites=${PEER_SUITES:-trixie-backports forky sid}
selftests=$REPO/tools/testing/selftests
fragments=("$selftests/liveupdate/config" "$selftests/liveupdate/config.x86_64" "$selftests/vfio/config")
# What these ask for is part of what a kernel of ours is.
fragments+=("$REPO/tools/liveupdate/config")

mkdir -p "$peer"
exec {peer_lock}>"$peer/.lock"
flock "$peer_lock"

# apt with directories of its own: what the machine has installed is not touched.
# A mirror that stands still may be behind the date until which its lists are good.
fetch() {
	local apt=$peer/apt suite package

	rm -rf "$apt"
	mkdir -p "$apt"/lists/partial "$apt"/cache/archives/partial
	: >"$apt/status"
	for suite in $suites; do
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $suite main"
	done >"$apt/sources.list"
	cat >"$apt/apt.conf" <<-END
		Dir::Etc::sourcelist "$apt/sources.list";
		Dir::Etc::sourceparts "-";
		Dir::State::lists "$apt/lists";
		Dir::State::status "$apt/status";
		Dir::Cache "$apt/cache";
		Acquire::Check-Valid-Until "false";
		Acquire::Languages "none";
		APT::Sandbox::User "root";
	END
	export APT_CONFIG=$apt/apt.conf
	apt-get update -q >&2
	package=${PEER_PACKAGE:-$(apt-cache search --names-only '^linux-source-[0-9.]+$' |
		cut -d' ' -f1 | sort -V | tail -n 1)}
	[ -n "$package" ] || die "no linux-source in: $suites"
	(cd "$apt" && apt-get download -q "$package" >&2)
	printf '%s %s\n' "$package" "$(dpkg-deb -f "$apt/$package"_*.deb Version)" >"$apt/version"

	say "the peer: unpacking $(cat "$apt/version")"
	rm -rf "$peer/linux"
	mkdir "$peer/linux"
	dpkg-deb --fsys-tarfile "$apt/$package"_*.deb |
		tar -xO --wildcards "./usr/src/$package.tar.*" |
		tar -C "$peer/linux" --strip-components=1 -xJ
	mv "$apt/version" "$peer/version"
	rm -rf "$apt"
}

# What is asked for of ours and what the peer makes of it. An option that it does not
# know is ours alone, or has another name by now; which ones is written down.
configure() {
	mkdir -p "$peer/build"
	# What mainline has by the name of our test handler is another test.
	cat "${fragments[@]}" | sed 's/^CONFIG_LIVEUPDATE_TEST=y/# CONFIG_LIVEUPDATE_TEST is not set/' \
		>"$peer/build/requested"
	LINUX=$peer/linux KCONFIG_ALLCONFIG=$peer/build/requested \
		kmake -s O="$peer/build" allnoconfig >"$peer/configure.log" 2>&1
	grep -vxFf "$peer/build/.config" "$peer/build/requested" |
		sed -n 's/^\(CONFIG_[A-Za-z0-9_]*\)=.*/\1/p' | sort -u >"$peer/config.differs"
	for option in KEXEC_HANDOVER LIVEUPDATE LIVEUPDATE_MEMFD; do
		grep -qx "CONFIG_$option=y" "$peer/build/.config" || die "the peer has no CONFIG_$option"
	done
}

if [ ! -s "$peer/bzImage" ]; then
	if [ ! -s "$peer/version" ]; then fetch; fi
	configure
	say "building the peer: $(cat "$peer/version"); without $(tr '\n' ' ' <"$peer/config.differs")"
	LINUX=$peer/linux kmake -s O="$peer/build" bzImage >"$peer/build.log" 2>&1 ||
		{ tail -n 30 "$peer/build.log" >&2; die "the peer can't be built: $peer/build.log"; }
	cp "$peer/build/arch/x86/boot/bzImage" "$peer/bzImage.new"
	cp "$peer/build/System.map" "$peer/build/.config" "$peer"
	mv "$peer/bzImage.new" "$peer/bzImage"
fi
echo "$peer/bzImage"
