"""CodeBuild: projects, and builds that really run a buildspec in a clean environment."""
