using System.Buffers;
using System.Collections.Concurrent;
using Microsoft.AspNetCore.Connections;

namespace Chronik.Gateway.Network;

/// <summary>
/// Gives Kestrel's transport blocks of 64 KiB instead of 4 KiB, so that one receive takes what the kernel has. Kestrel takes the factory
/// from the service provider. A connection that is idle holds no block, because the transport waits for data before it asks for one.
/// </summary>
public sealed class KafkaBlockPoolFactory : IMemoryPoolFactory<byte>
{
    /// <summary>The size of a block in bytes.</summary>
    public const int BlockBytes = 64 << 10;

    /// <summary>How many bytes of returned blocks one pool keeps for the next connection that has something to read.</summary>
    public const int KeptBytes = 32 << 20;

    /// <inheritdoc/>
    public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => new KafkaBlockPool();

    private sealed class KafkaBlockPool : MemoryPool<byte>
    {
        private readonly ConcurrentQueue<Block> _free = new();
        private int _kept;
        private volatile bool _disposed;

        public override int MaxBufferSize => BlockBytes;

        public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThan(minBufferSize, BlockBytes);
            if (!_free.TryDequeue(out Block? block)) return new Block(this);
            Interlocked.Decrement(ref _kept);
            return block;
        }

        protected override void Dispose(bool disposing)
        {
            _disposed = true;
            _free.Clear();
        }

        private void Return(Block block)
        {
            if (_disposed) return;
            if (Interlocked.Increment(ref _kept) > KeptBytes / BlockBytes)
            {
                Interlocked.Decrement(ref _kept);
                return;
            }

            _free.Enqueue(block);
        }

        private sealed class Block(KafkaBlockPool pool) : IMemoryOwner<byte>
        {
            // Pinned, so that a receive need not pin it each time.
            private readonly byte[] _bytes = GC.AllocateUninitializedArray<byte>(BlockBytes, pinned: true);

            public Memory<byte> Memory => System.Runtime.InteropServices.MemoryMarshal.CreateFromPinnedArray(_bytes, 0, BlockBytes);

            public void Dispose() => pool.Return(this);
        }
    }
}
