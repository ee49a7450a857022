"""What can go wrong between us and the model registry. Every text says what was found and what to do; none is an answer.

RegistryError                 a read was refused, failed, or gave an answer that cannot be trusted
├── AccessRefusedError        no credentials, or not the rights; the same again cannot succeed
├── UnavailableError          throttled, 5xx or no connection, after all retries; worth another run
├── UnknownGroupError         a model package group that does not exist
├── NameCollisionError        two endpoints would get one name
├── ManifestError             a manifest file that cannot be read
├── ArtifactError             a model's files cannot become a model.tar.gz, or could not be stored
└── NoImageError              no container image is known that can serve the model
"""


class RegistryError(Exception):
    """The registry gave no answer that can be trusted; nothing may be deployed or deleted on its strength."""


class AccessRefusedError(RegistryError):
    """The credentials are missing, expired or not allowed to read."""


class UnavailableError(RegistryError):
    """The registry did not answer although the read was repeated."""


class UnknownGroupError(RegistryError):
    """A model package group does not exist; a mistyped name must not look like an empty group."""


class NameCollisionError(RegistryError):
    """Two endpoints would have the same name, or names that AWS takes for the same."""


class ManifestError(RegistryError):
    """A manifest is not what this version of the program writes."""


class ArtifactError(RegistryError):
    """A model's files are not what may be packed, could not be read to their end, or could not be stored."""


class NoImageError(RegistryError):
    """No container image is known that can serve a model."""
