"""Sources that come with edgecnn, one file each; ``edgecnn.runtime.plugins`` finds them."""
