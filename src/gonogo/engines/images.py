"""Releases as images: every service of a release has the tag <project>-<service>:<release>.

A service with a `build` is built from the exported commit; one with an image only is pulled, unless
it is there, and gets the tag, so that the release keeps exactly that image.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from gonogo.engines import _compose_file as file
from gonogo.engines._compose import Compose, failed
from gonogo.engines.workshop import Maker
from gonogo.model.configuration import Build, Command, Service, Shell
from gonogo.model.duration import seconds
from gonogo.model.errors import PermanentError
from gonogo.model.flag import AS_RELEASED, Variant
from gonogo.model.plan import Operation
from gonogo.model.reference import filled, filled_command
from gonogo.model.release import Release
from gonogo.model.secret import Secret
from gonogo.ports import Completed, Say

_PULL = 900.0
_ONCE = "once"


class Images:
    """Makes the images of a release (workshop.Maker).

    services_of gives the services as a release was configured, environment_of its variables,
    extra the names of those that every container gets. links are env files of the project, which
    are not in a commit: a release sees them under the same name.
    """

    def __init__(
        self,
        compose: Compose,
        *,
        build: Build,
        services_of: Callable[[str], Mapping[str, Service]],
        facts: Mapping[str, str],
        extra: Sequence[str],
        links: Sequence[str],
        once: str,
    ) -> None:
        self._compose = compose
        self._build = build
        self._services_of = services_of
        self._facts = facts
        self.extra = extra
        self._links = links
        self._once = once

    def describe(self, release: Release) -> Sequence[Operation]:
        """What make will do."""
        tags = ", ".join(self._tags(release.id).values())
        return [Operation(where="docker", what=f"docker compose build, or pull ({tags})")]

    async def make(self, release: Release, folder: Path, say: Say) -> None:
        """Build or pull what is not there yet."""
        self._link(folder)
        model = await self._compose.model(folder, release.id)
        tags = self._tags(release.id)
        unknown = [name for name in tags if name not in model["services"]]
        if unknown:
            raise PermanentError(
                f"there is no service {', '.join(unknown)} in the compose files",
                next_step=f"there are: {', '.join(model['services'])}",
            )
        built = {name: tag for name, tag in tags.items() if "build" in model["services"][name]}
        if built:
            await self._build_images(model, built, release, say)
        for name in tags.keys() - built.keys():
            await self._take(model["services"][name]["image"], tags[name], say)

    async def made(self, release_id: str) -> bool:
        """Whether every image of the release is there."""
        tags = self._tags(release_id).values()
        done = await self._compose.docker("image", "inspect", "--format", "{{.Id}}", *tags)
        return done.code == 0

    async def run(
        self, release: Release, folder: Path, command: Command, *, timeout: float, say: Say
    ) -> Completed:
        """Run a command once in a container of its own, from the release's image.

        What a killed run left of it is ended first.
        """
        services = self._services_of(release.id)
        service = self._once or next(iter(services))
        settings = services[service]
        model = await self._compose.model(folder, release.id)
        key = f"{_ONCE}--{release.id}"
        await self._compose.docker("rm", "-f", "-v", f"{self._compose.name}-{key}")
        environment = self.environment(service, settings, release.id)
        argv = _argv(filled_command(command, {**self._facts, **environment}, "command"))
        try:
            return await self._compose.with_file(
                file.once_file(model, self.part(model, service, settings, release.id, 0), key),
                *("run", "--rm", "--no-deps", "-T", "--name", f"{self._compose.name}-{key}"),
                *(key, *argv),
                label=key,
                environment=environment,
                timeout=timeout,
                say=say,
            )
        finally:
            await self._compose.docker("rm", "-f", "-v", f"{self._compose.name}-{key}")

    async def places(self) -> Sequence[Path]:
        """Where docker keeps images, if that is on this machine."""
        root = await self._compose.data_root()
        return [root] if root else []

    async def size(self, release_id: str) -> int:
        """Bytes of the images; layers that several have are counted in each."""
        tags = self._tags(release_id).values()
        done = await self._compose.docker("image", "inspect", "--format", "{{.Size}}", *tags)
        return sum(int(line) for line in done.stdout.split() if line.isdigit())

    async def contents(self, release_id: str, folder: Path) -> Mapping[str, str]:
        """The id of each image (the digest of its configuration), the SHA-256 of each file."""
        found = {}
        for service, tag in self._tags(release_id).items():
            done = await self._compose.docker("image", "inspect", "--format", "{{.Id}}", tag)
            if done.code != 0:
                raise failed(f"the image {tag} is not there", done)
            found[f"image {service}"] = done.stdout.strip()
        for path in self._compose.files(folder):
            content = await asyncio.to_thread(path.read_bytes)
            digest = hashlib.sha256(content).hexdigest()
            found[f"file {path.relative_to(folder)}"] = f"sha256:{digest}"
        return found

    async def remove(self, release_id: str) -> None:
        """Remove the release's tags, and the images that then have none."""
        for tag in self._tags(release_id).values():
            done = await self._compose.docker("image", "rm", tag)
            if done.code != 0 and "No such image" not in done.output:
                raise failed(f"the image {tag} cannot be removed", done)

    def part(
        self,
        model: file.Json,
        service: str,
        settings: Service,
        release: str,
        number: int,
        variant: Variant = AS_RELEASED,
    ) -> file.Part:
        """A container of a release."""
        return file.Part(
            service=service,
            release=release,
            number=number,
            image=self._tag(service, release),
            port=settings.port or 0,
            grace=file.grace_of(model, service, settings.stop_grace),
            variables=(*self.extra, *settings.environment, *variant.variables),
            variant=variant.id,
        )

    def environment(
        self,
        service: str,
        settings: Service,
        release: str,
        flags: Mapping[str, str] | None = None,
    ) -> Mapping[str, str | Secret]:
        """What Compose puts into a container and its files.

        The service's own comes on top of the release's, and flags on top of all.
        """
        given = self._compose.environment_of(release, flags)
        values = {**self._facts, "release": release, **given}
        own = {
            name: Secret(filled(text, values, f"environment of {service}: {name}"))
            for name, text in settings.environment.items()
        }
        return {**given, **own, **(flags or {})}

    async def _build_images(
        self, model: file.Json, tags: Mapping[str, str], release: Release, say: Say
    ) -> None:
        labels = {file.PROJECT: self._compose.name, file.RELEASE: release.id}
        done = await self._compose.with_file(
            file.build_file(model, tags, labels),
            "build",
            label=f"build--{release.id}",
            environment=self._compose.environment_of(release.id),
            timeout=seconds(self._build.timeout),
            say=say,
        )
        if done.code != 0:
            raise failed("the build failed", done)

    async def _take(self, image: str, tag: str, say: Say) -> None:
        there = await self._compose.docker("image", "inspect", "--format", "{{.Id}}", image)
        if there.code != 0:
            done = await self._compose.docker("pull", image, timeout=_PULL, say=say)
            if done.code != 0:
                raise failed(f"{image} cannot be pulled", done)
        done = await self._compose.docker("tag", image, tag)
        if done.code != 0:
            raise failed(f"{image} cannot be tagged", done)

    def _link(self, folder: Path) -> None:
        for name in self._links:
            path = folder / name
            if not path.exists() and not path.is_symlink():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.symlink_to(self._compose.project / name)

    def _tags(self, release: str) -> dict[str, str]:
        return {name: self._tag(name, release) for name in self._services_of(release)}

    def _tag(self, service: str, release: str) -> str:
        return f"{self._compose.name}-{service.lower()}:{release}"


def _argv(command: Command) -> tuple[str, ...]:
    return ("sh", "-c", command.shell) if isinstance(command, Shell) else command


FITS: type[Maker] = Images
